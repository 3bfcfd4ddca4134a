import { callUnary, protocolVersion, readStream } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import type {
  EncodeRequest,
  InvertRequest,
  InvertResponse,
  SampleRequest,
  SampleResponse,
} from "@retake/wire/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import { decodeLatents } from "../tasks/decode-latents.js";
import { type ClipMoments, encodeClip, meanLatents } from "../tasks/encode-clip.js";
import { encodePrompts } from "../tasks/encode-prompts.js";
import { invert } from "../tasks/invert.js";
import { sample } from "../tasks/sample.js";
import { startTensors } from "../tasks/tuned-tensors.js";
import {
  clip,
  collected,
  createHarness,
  type NodeHarness,
  settings,
} from "./testing/node-harness.js";

const prompt = "a blue ball on snow";
const subject = "trying";

describe("a node, against the same tasks in one process", () => {
  let harness: NodeHarness;
  let moments: ClipMoments;
  let tensors: HostTensors;
  let noise: HostTensor;
  let edited: HostTensor;

  beforeAll(async () => {
    harness = await createHarness();
    const { model } = harness;
    moments = await encodeClip(model, clip);
    tensors = await startTensors(model.files, { seed: 7, temporalStart: "no-op" });
    const [empty, wanted] = await encodePrompts(model, ["", prompt]);
    if (!empty || !wanted) throw new Error("expected two embeddings");
    const shared = { tensors: async () => structuredClone(tensors), samplingCount: 4 };
    const latents = meanLatents(model, moments);
    noise = await invert(model, { ...shared, latents, emptyPrompt: empty.embedding });
    const prompts = { prompt: wanted.embedding, without: empty.embedding };
    edited = await sample(model, { ...shared, ...prompts, latents: noise, guidanceScale: 3 });
  });
  afterAll(() => harness.close());

  const encodeRequest = (begin: number, end: number): EncodeRequest => ({
    ...{ task: harness.header(), clipId: harness.coordinator.put(clip.pixels) },
    ...{ width: clip.width, height: clip.height, frames: { begin, end }, framesPerPass: 1 },
  });

  async function encoded(request: EncodeRequest) {
    const { client, tensorsIn } = harness;
    const chunks: Chunk[] = [];
    for await (const { event } of readStream(client.encode.bind(client), request, { subject })) {
      if (event?.$case === "moments") chunks.push(event.value);
    }
    return tensorsIn(await collected(chunks), ["mean", "log_variance"]);
  }

  /** The latents after each iteration that a stream tells, as files. */
  async function latentsOf(
    events: AsyncIterable<InvertResponse | SampleResponse>,
  ): Promise<Map<number, Buffer>> {
    const chunks = new Map<number, Chunk[]>();
    for await (const { event } of events) {
      if (event?.$case !== "latents" || event.value.chunk === undefined) continue;
      const { done, chunk } = event.value;
      chunks.set(done, [...(chunks.get(done) ?? []), chunk]);
    }
    const files = new Map<number, Buffer>();
    for (const [done, parts] of chunks) files.set(done, await collected(parts));
    return files;
  }
  const inverted = (request: InvertRequest) => {
    const { client } = harness;
    return latentsOf(readStream(client.invert.bind(client), request, { subject }));
  };
  const sampled = (request: SampleRequest) => {
    const { client } = harness;
    return latentsOf(readStream(client.sample.bind(client), request, { subject }));
  };
  const keptLatents = (latents: HostTensor): Promise<string> => harness.put({ latents });

  it("has told what it is", () => {
    const { coordinator, node, model } = harness;
    expect(coordinator.joined).toMatchObject([
      {
        ...{ nodeId: "n0", protocolVersion, address: node.address, pid: process.pid },
        ...{ engine: "onnx-cpu", numericsId: model.numericsId, threads: 1 },
        models: [{ hash: model.files.hash, pictureSide: 128, timestepCount: 1000 }],
      },
    ]);
  });

  it("encodes ranges of frames to the bits of the whole clip", async () => {
    const { mean, log_variance: logVariance } = await encoded(encodeRequest(0, 3));
    expect({ mean, logVariance }).toEqual(moments);
    const parts = [await encoded(encodeRequest(0, 1)), await encoded(encodeRequest(1, 3))];
    const [, channels = 0, frames = 0, height = 0, width = 0] = mean.shape;
    const cells = height * width;
    for (let channel = 0; channel < channels; channel += 1) {
      const joined = parts.flatMap(({ mean: part }) => {
        const count = (part.shape[2] ?? 0) * cells;
        return [...part.data.subarray(channel * count, (channel + 1) * count)];
      });
      const from = channel * frames * cells;
      expect(joined).toEqual([...mean.data.subarray(from, from + frames * cells)]);
    }
  });

  it("inverts to the same noise, also from where another try was", async () => {
    const { put, tensorsIn, header, coordinator } = harness;
    const momentsId = await put({ mean: moments.mean, log_variance: moments.logVariance });
    const request = { momentsIds: [momentsId], deltaId: "", settings };
    const whole = await inverted({ ...request, task: header(), resume: undefined });
    expect([...whole.keys()]).toEqual([1, 2, 3, 4]);
    expect((await tensorsIn(whole.get(4), ["latents"])).latents).toEqual(noise);
    const resume = { done: 2, latentsId: coordinator.put(whole.get(2) ?? Buffer.alloc(0)) };
    const rest = await inverted({ ...request, task: header(), resume });
    expect([...rest.keys()]).toEqual([3, 4]);
    expect(rest.get(4)).toEqual(whole.get(4));
  });

  it("samples to the same latents, also from where another try was", async () => {
    const { tensorsIn, header, coordinator } = harness;
    const request = {
      ...{ latentsId: await keptLatents(noise), deltaId: "", prompt, negativePrompt: "" },
      settings,
    };
    const whole = await sampled({ ...request, task: header(), resume: undefined });
    expect((await tensorsIn(whole.get(4), ["latents"])).latents).toEqual(edited);
    const resume = { done: 3, latentsId: coordinator.put(whole.get(3) ?? Buffer.alloc(0)) };
    const rest = await sampled({ ...request, task: header(), resume });
    expect([...rest.keys()]).toEqual([4]);
    expect(rest.get(4)).toEqual(whole.get(4));
  });

  it("decodes ranges of frames to the bits of the whole clip, one by one", async () => {
    const { client, header } = harness;
    const { pixels, width, height } = await decodeLatents(harness.model, { latents: edited });
    const request = {
      ...{ task: header(), latentsId: await keptLatents(edited) },
      ...{ frames: { begin: 1, end: 3 }, framesPerPass: 1 },
    };
    const bytes = width * height * 3;
    const numbers: number[] = [];
    for await (const { event } of readStream(client.decode.bind(client), request, { subject })) {
      if (event?.$case !== "frame") continue;
      const { frame, data } = event.value;
      numbers.push(frame);
      expect(data.equals(pixels.subarray(frame * bytes, (frame + 1) * bytes))).toBe(true);
    }
    expect(numbers).toEqual([1, 2]);
  });

  it("pulls an artifact once", async () => {
    const { coordinator } = harness;
    const request = encodeRequest(0, 1);
    await encoded(request);
    await encoded({ ...request, task: harness.header() });
    expect(coordinator.pulled.filter((id) => id === request.clipId).length).toBe(1);
  });

  it.each([
    ["no task", { task: undefined }, "bad-message"],
    ["a range beyond the clip", { frames: { begin: 0, end: 4 } }, "bad-message"],
    ["no range", { frames: undefined }, "bad-message"],
    ["another size", { width: 65 }, "bad-message"],
    ["a clip that is not there", { clipId: "0".repeat(64) }, "artifact-missing"],
    ["a clip that is no name", { clipId: "../clip" }, "bad-message"],
    ["no frames in a pass", { framesPerPass: 0 }, "bad-message"],
  ])("refuses %s, and goes on", async (_, wrong, reason) => {
    const work = encoded({ ...encodeRequest(0, 1), ...wrong });
    await expect(work).rejects.toMatchObject({ reason });
    expect((await encoded(encodeRequest(0, 1))).mean.shape[2]).toBe(1);
  });

  it("refuses a model that it does not have", async () => {
    const { client, header } = harness;
    const task = header({ modelHash: "f00d" });
    const work = encoded({ ...encodeRequest(0, 1), task });
    await expect(work).rejects.toMatchObject({ reason: "model-unknown" });
    const prepare = callUnary(
      client.prepare.bind(client),
      { epoch: 1, modelHash: "f00d" },
      { subject },
    );
    await expect(prepare).rejects.toMatchObject({ reason: "model-unknown" });
  });

  it("ends a task that is aborted, and one whose caller leaves", async () => {
    const { client, header } = harness;
    const request = (ddim: number): InvertRequest => ({
      ...{ task: header(), momentsIds: [""], deltaId: "", resume: undefined },
      settings: { ...settings, ddim },
    });
    const momentsId = await harness.put({
      ...{ mean: moments.mean, log_variance: moments.logVariance },
    });
    const long = { ...request(500), momentsIds: [momentsId] };
    const abort = { taskId: long.task?.taskId ?? "", epoch: 1, reason: "a test" };
    const aborted = async (): Promise<void> => {
      for await (const { event } of readStream(client.invert.bind(client), long, { subject })) {
        if (event?.$case !== "latents") continue;
        await callUnary(client.abort.bind(client), abort, { subject });
      }
    };
    await expect(aborted()).rejects.toMatchObject({ reason: "stopped" });
    const left = { ...request(500), momentsIds: [momentsId] };
    for await (const { event } of readStream(client.invert.bind(client), left, { subject })) {
      if (event?.$case === "latents") break;
    }
    expect((await encoded(encodeRequest(0, 1))).mean.shape[2]).toBe(1);
    const again = callUnary(client.abort.bind(client), abort, { subject });
    expect(await again).toEqual({ wasRunning: false });
  });

  it("refuses an older coordinator once it has heard of a newer one", async () => {
    const task = harness.header({ epoch: 5 });
    await encoded({ ...encodeRequest(0, 1), task });
    const work = encoded({ ...encodeRequest(0, 1), task: harness.header({ epoch: 4 }) });
    await expect(work).rejects.toMatchObject({ reason: "epoch-stale" });
  });

  it("hands over what it has when it drains, leaves, and closes", async () => {
    const { client, coordinator, node } = harness;
    const momentsId = await harness.put({
      ...{ mean: moments.mean, log_variance: moments.logVariance },
    });
    const long: InvertRequest = {
      ...{ task: harness.header({ epoch: 5 }), momentsIds: [momentsId], deltaId: "" },
      resume: undefined,
      settings: { ...settings, ddim: 500 },
    };
    const told: number[] = [];
    let drained: Promise<void> | undefined;
    const work = async (): Promise<void> => {
      for await (const { event } of readStream(client.invert.bind(client), long, { subject })) {
        if (event?.$case !== "latents") continue;
        told.push(event.value.done);
        drained ??= node.drain();
      }
    };
    await expect(work()).rejects.toMatchObject({ reason: "node-draining" });
    await drained;
    await node.closed;
    expect(told.length).toBeLessThan(500);
    expect(coordinator.drained).toEqual(["n0"]);
  });
});
