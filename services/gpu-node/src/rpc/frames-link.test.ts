import { credentials } from "@grpc/grpc-js";
import { callUnary, clientOptions, readStream } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import { NodeServiceClient, type TaskHeader } from "@retake/wire/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import type { ClipPixels } from "../tasks/clip-pixels.js";
import { encodeClip, meanLatents } from "../tasks/encode-clip.js";
import { encodePrompts } from "../tasks/encode-prompts.js";
import { invert } from "../tasks/invert.js";
import { sample } from "../tasks/sample.js";
import { startTensors } from "../tasks/tuned-tensors.js";
import type { GpuNode } from "./gpu-node.js";
import { collected, createHarness, type NodeHarness, settings } from "./testing/node-harness.js";

const prompt = "a blue ball on snow";
const subject = "trying";
const deltaId = "";
/** Large enough that no level of the network has a single cell: ranks may have one frame. */
const size = { frames: 5, width: 128, height: 128 };
const clip: ClipPixels = {
  ...size,
  pixels: Uint8Array.from(
    { length: size.frames * size.width * size.height * 3 },
    (_, i) => (i * 7 + (i >> 8) * 13) & 255,
  ),
};

/** What a task that shares its frames told. */
interface Told {
  readonly latents: (HostTensor | undefined)[];
  readonly warnings: string[];
  /** Passes of each rank but the first. */
  readonly shared: number[];
}

describe("a node that shares the frames of its task", () => {
  let harness: NodeHarness;
  let others: readonly GpuNode[];
  let inverted: HostTensor;
  let edited: HostTensor;
  let momentsId: string;
  let latentsId: string;

  beforeAll(async () => {
    harness = await createHarness();
    others = await Promise.all(["n1", "n2", "n3"].map((nodeId) => harness.addNode(nodeId)));
    const { model } = harness;
    const moments = await encodeClip(model, clip);
    const tensors: HostTensors = await startTensors(model.files, {
      seed: 7,
      temporalStart: "no-op",
    });
    const [empty, wanted] = await encodePrompts(model, ["", prompt]);
    if (!empty || !wanted) throw new Error("expected two embeddings");
    const given = { tensors: async () => structuredClone(tensors), samplingCount: 4 };
    const latents = meanLatents(model, moments);
    inverted = await invert(model, { ...given, latents, emptyPrompt: empty.embedding });
    const prompts = { prompt: wanted.embedding, without: empty.embedding };
    edited = await sample(model, { ...given, ...prompts, latents: inverted, guidanceScale: 3 });
    momentsId = await harness.put({ mean: moments.mean, log_variance: moments.logVariance });
    latentsId = await harness.put({ latents: inverted });
  });
  afterAll(async () => {
    for (const node of others) await node.close();
    await harness.close();
  });

  const clientOf = ({ address }: GpuNode): NodeServiceClient =>
    new NodeServiceClient(address, credentials.createInsecure(), clientOptions);

  /** Has nodes serve frames to a task; their calls end with it. */
  async function shared(
    task: TaskHeader,
    options: { readonly nodes: readonly GpuNode[]; readonly prompts: string[] },
    run: (told: Told) => Promise<void>,
  ): Promise<Told> {
    const { nodes, prompts } = options;
    const told: Told = { latents: [], warnings: [], shared: nodes.map(() => 0) };
    const tasks = nodes.map(() => harness.header());
    const clients = nodes.map(clientOf);
    const serving = clients.map(async (client, rank) => {
      const request = { task: tasks[rank], deltaId, prompts, settings };
      const answers = readStream(client.serveFrames.bind(client), request, { subject });
      for await (const { report } of answers) {
        if (report?.report?.$case === "progress") told.shared[rank] = report.report.value.done;
      }
    });
    const ended = Promise.allSettled(serving);
    const peers = nodes.map(({ address }, rank) => ({
      address,
      taskId: tasks[rank]?.taskId ?? "",
    }));
    const { client, node } = harness;
    const lent = { taskId: task.taskId, epoch: 1, peers, ownAddress: node.address };
    await callUnary(client.lendFrames.bind(client), lent, { subject });
    await run(told);
    await ended;
    for (const each of clients) each.close();
    return told;
  }

  /** Inverts or samples on the first node. */
  async function follow(
    kind: "invert" | "sample",
    task: TaskHeader,
    { told, onLatents }: { readonly told: Told; readonly onLatents?: (done: number) => void },
  ): Promise<void> {
    const { client } = harness;
    const common = { task, deltaId, settings, resume: undefined };
    const sampling = { ...common, latentsId, prompt, negativePrompt: "" };
    const answers =
      kind === "invert"
        ? readStream(
            client.invert.bind(client),
            { ...common, momentsIds: [momentsId] },
            { subject },
          )
        : readStream(client.sample.bind(client), sampling, { subject });
    let chunks: Chunk[] = [];
    for await (const { event } of answers) {
      if (event?.$case === "report" && event.value.report?.$case === "warning") {
        told.warnings.push(event.value.report.value);
      }
      if (event?.$case !== "latents" || event.value.chunk === undefined) continue;
      const { done, chunk } = event.value;
      chunks.push(chunk);
      if (chunk.offsetBytes + chunk.data.length < chunk.totalBytes) continue;
      const { latents } = await harness.tensorsIn(await collected(chunks), ["latents"]);
      told.latents.push(latents);
      chunks = [];
      onLatents?.(done);
    }
  }

  it.each([1, 2, 3])("inverts and samples with one node's bits, with %i others", async (count) => {
    const nodes = others.slice(0, count);
    const inverting = harness.header();
    const inversion = await shared(inverting, { nodes, prompts: [""] }, (told) =>
      follow("invert", inverting, { told }),
    );
    expect(inversion.latents).toHaveLength(4);
    expect(inversion.latents.at(-1)).toEqual(inverted);
    expect(inversion).toMatchObject({ shared: nodes.map(() => 4), warnings: [] });
    const sampling = harness.header();
    const sampled = await shared(sampling, { nodes, prompts: [prompt, ""] }, (told) =>
      follow("sample", sampling, { told }),
    );
    expect(sampled.latents.at(-1)).toEqual(edited);
    expect(sampled).toMatchObject({ shared: nodes.map(() => 8), warnings: [] });
  });

  it("goes on with all frames, and the same bits, when a rank is lost", async () => {
    const task = harness.header();
    const nodes = others.slice(1);
    const victim = nodes.at(-1);
    let closed: Promise<void> | undefined;
    const told = await shared(task, { nodes, prompts: [prompt, ""] }, (all) =>
      follow("sample", task, {
        told: all,
        onLatents: (done) => {
          if (done === 2) closed ??= victim?.close();
        },
      }),
    );
    await closed;
    expect(told.latents.at(-1)).toEqual(edited);
    expect(told.warnings).toEqual([expect.stringMatching(/^this node goes on with all frames: /)]);
  });

  it("refuses a group that does not fit its clip, and goes on with all frames", async () => {
    const task = harness.header();
    // The peer knows no prompt of that place.
    const told = await shared(task, { nodes: others.slice(0, 1), prompts: [prompt] }, (all) =>
      follow("sample", task, { told: all }),
    );
    expect(told.latents.at(-1)).toEqual(edited);
    expect(told.warnings).toEqual([expect.stringContaining("prompt: expected one of 1")]);
  });

  it("refuses peers that have no address, and pulls of a rank that there is none of", async () => {
    const { client, node } = harness;
    const lent = { taskId: "t", epoch: 1, ownAddress: node.address };
    const wrong = { ...lent, peers: [{ address: "nowhere", taskId: "t" }] };
    const lend = (request: typeof wrong) =>
      callUnary(client.lendFrames.bind(client), request, { subject });
    await expect(lend(wrong)).rejects.toMatchObject({ reason: "bad-message" });
    await expect(lend({ ...lent, peers: [] })).rejects.toMatchObject({ reason: "bad-message" });
  });
});
