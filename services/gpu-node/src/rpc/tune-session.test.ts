import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { type BidiCall, clientOptions, openBidi, readStream } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import { jobToken } from "@retake/wire/exchange";
import {
  NodeServiceClient,
  type Quorum,
  type QuorumMember,
  type TuneRequest,
  type TuneResponse,
} from "@retake/wire/node";
import { PeerServiceClient } from "@retake/wire/peer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeClip } from "../tasks/encode-clip.js";
import { encodePrompts } from "../tasks/encode-prompts.js";
import { type TuneResult, tune } from "../tasks/tune.js";
import { openDelta } from "../tasks/tuned-delta.js";
import { startTensors } from "../tasks/tuned-tensors.js";
import {
  clip,
  collected,
  createHarness,
  jobKey,
  type NodeHarness,
  settings,
} from "./testing/node-harness.js";

type TuneEvent = NonNullable<TuneResponse["event"]>;
type Source = NonNullable<NonNullable<QuorumMember["state"]>["source"]>;

const source = "a red ball on grass";
const subject = "trying";
const start: Source = { $case: "start", value: true };

describe("TuneSession", () => {
  let harness: NodeHarness;
  let momentsId = "";
  let local: TuneResult;
  let editCount = 0;

  beforeAll(async () => {
    harness = await createHarness();
    const { model } = harness;
    const moments = await encodeClip(model, clip);
    momentsId = await harness.put({ mean: moments.mean, log_variance: moments.logVariance });
    const [said] = await encodePrompts(model, [source]);
    if (said === undefined) throw new Error("expected an embedding");
    local = await tune(model, {
      ...{ moments, prompt: said.embedding },
      tensors: await startTensors(model.files, { seed: 7, temporalStart: "no-op" }),
      settings: {
        ...{ steps: 3, learningRate: 1e-3, drawsPerStep: 2, seed: 7, mode: "paper" },
        memory: "fast",
      },
    });
  });
  afterAll(() => harness.close());

  const quorum = (from: Source, more: Partial<Quorum> = {}): Quorum => ({
    ...{ quorumId: 1, committedSteps: 0, attempts: 0, shardCount: 64, weightsHash: "" },
    members: [{ nodeId: "n0", address: harness.node.address, state: { source: from } }],
    ...more,
  });

  /** A tuning that has begun, read event by event. */
  interface Led {
    readonly call: BidiCall<TuneRequest, TuneResponse>;
    readonly editId: string;
    ask(request: NonNullable<TuneRequest["request"]>): Promise<void>;
    /** The next event of a kind; others are passed over. */
    next<Kind extends TuneEvent["$case"]>(
      kind: Kind,
    ): Promise<Extract<TuneEvent, { $case: Kind }>["value"]>;
    /** A whole file of chunks. */
    file(kind: "snapshot" | "delta"): Promise<Buffer>;
    commit(step: number, quorumId?: number): Promise<void>;
    /** Leads it to its end. */
    finish(from: number, quorumId?: number): Promise<Buffer>;
  }

  async function led(client = harness.client): Promise<Led> {
    const { header } = harness;
    editCount += 1;
    const editId = `edit-${editCount}`;
    const call = openBidi<TuneRequest, TuneResponse>(client.tune.bind(client), { subject });
    const events = call.responses[Symbol.asyncIterator]();
    const ask: Led["ask"] = (request) => call.send({ request });
    // What came between the chunks of a file: a step may be reduced before a snapshot is sent.
    const kept: TuneEvent[] = [];
    const nextEvent = async (): Promise<TuneEvent | undefined> => {
      const { done, value } = await events.next();
      if (done === true) throw new Error("expected an event, got the end");
      return value.event;
    };
    const next: Led["next"] = async (kind) => {
      for (;;) {
        const event = kept.shift() ?? (await nextEvent());
        if (event?.$case === kind) return event.value as never;
      }
    };
    const file: Led["file"] = async (kind) => {
      const chunks: Chunk[] = [];
      for (let whole = false; !whole; ) {
        const event = await nextEvent();
        if (event?.$case === kind) {
          chunks.push(event.value);
          whole = event.value.offsetBytes + event.value.data.length === event.value.totalBytes;
        } else if (event !== undefined) kept.push(event);
      }
      return collected(chunks);
    };
    const commit: Led["commit"] = async (step, quorumId = 1) => {
      expect(await next("reduced")).toMatchObject({ quorumId, step, finite: true });
      await ask({ $case: "commit", value: { quorumId, step } });
      expect(await next("applied")).toMatchObject({ quorumId, step });
    };
    const finish: Led["finish"] = async (from, quorumId = 1) => {
      for (let step = from; step < 3; step += 1) await commit(step, quorumId);
      await ask({ $case: "finish", value: {} });
      return file("delta");
    };
    const value = {
      task: header({ editId }),
      sourcePrompt: source,
      momentsIds: [momentsId],
      settings,
    };
    await ask({ $case: "start", value });
    return { call, editId, ask, next, file, commit, finish };
  }

  async function expectLocalBits(delta: Buffer): Promise<void> {
    const path = join(harness.folder, `delta-${editCount}.safetensors`);
    await writeFile(path, delta);
    const { tensors, header } = await openDelta(path, harness.model.files);
    expect(header).toMatchObject({ step: 3, seed: 7, mode: "paper", prompts: [source] });
    expect(tensors).toEqual(local.tensors);
  }

  it("gives the bits of a tuning in one process, losses too", async () => {
    const tuning = await led();
    await tuning.ask({ $case: "quorum", value: quorum(start) });
    expect(await tuning.next("ready")).toMatchObject({ quorumId: 1, committedSteps: 0 });
    const losses: number[] = [];
    for (let step = 0; step < 3; step += 1) {
      const reduced = await tuning.next("reduced");
      losses.push(reduced.lossSum / reduced.drawCount);
      await tuning.ask({ $case: "commit", value: { quorumId: 1, step } });
    }
    expect(losses).toEqual(local.journal.losses);
    await tuning.ask({ $case: "finish", value: {} });
    await expectLocalBits(await tuning.file("delta"));
  });

  it("drops the step under way for a new quorum, and does it again to the same bits", async () => {
    const tuning = await led();
    await tuning.ask({ $case: "quorum", value: quorum(start) });
    await tuning.commit(0);
    // The first comes while step 1 is computed, the second once it is reduced.
    const own = { $case: "own", value: true } as const;
    const later = { committedSteps: 1, attempts: 1 };
    await tuning.ask({ $case: "quorum", value: quorum(own, { ...later, quorumId: 2 }) });
    await tuning.next("ready");
    expect(await tuning.next("reduced")).toMatchObject({ quorumId: 2, step: 1 });
    await tuning.ask({ $case: "quorum", value: quorum(own, { ...later, quorumId: 3 }) });
    await expectLocalBits(await tuning.finish(1, 3));
  });

  it("tries an abandoned step again, with the same draws or with new ones", async () => {
    const tuning = await led();
    const triedBy = async (quorumId: number, attempts: number) => {
      await tuning.ask({ $case: "quorum", value: quorum(start, { quorumId, attempts }) });
      return tuning.next("reduced");
    };
    const first = await triedBy(1, 0);
    expect(await triedBy(2, 0)).toEqual({ ...first, quorumId: 2 });
    const other = await triedBy(3, 1);
    expect(other.gradientHash).not.toBe(first.gradientHash);
    tuning.call.cancel();
  });

  it("goes on from its own snapshot to the same bits", async () => {
    const tuning = await led();
    await tuning.ask({ $case: "quorum", value: quorum(start) });
    await tuning.commit(0);
    await tuning.ask({ $case: "snapshot", value: {} });
    const snapshot = await tuning.file("snapshot");
    tuning.call.cancel();
    const resumed = await led();
    const value = harness.coordinator.put(snapshot);
    const from = { $case: "snapshotId", value } as const;
    await resumed.ask({
      $case: "quorum",
      value: quorum(from, { committedSteps: 1, attempts: 1 }),
    });
    await expectLocalBits(await resumed.finish(1));
  });

  it("gives a peer the state of the committed step, and of no other", async () => {
    const tuning = await led();
    await tuning.ask({ $case: "quorum", value: quorum(start) });
    await tuning.commit(0);
    await tuning.ask({ $case: "snapshot", value: {} });
    const snapshot = await tuning.file("snapshot");
    const peer = new PeerServiceClient(
      harness.node.address,
      credentials.createInsecure(),
      clientOptions,
    );
    const right = (key: Uint8Array, editId = tuning.editId): Buffer =>
      jobToken(key, ["snapshot", editId]);
    const pulled = async (
      committedSteps: number,
      { editId = tuning.editId, token = right(jobKey, editId) } = {},
    ): Promise<Buffer> => {
      const request = { editId, epoch: 1, committedSteps, jobToken: token };
      const chunks: Chunk[] = [];
      for await (const { chunk } of readStream(peer.pullSnapshot.bind(peer), request, {
        subject,
      })) {
        if (chunk !== undefined) chunks.push(chunk);
      }
      return collected(chunks);
    };
    expect((await pulled(1)).equals(snapshot)).toBe(true);
    await expect(pulled(2)).rejects.toMatchObject({ reason: "quorum-changed" });
    const unknown = pulled(1, { editId: "edit-none" });
    await expect(unknown).rejects.toMatchObject({ reason: "task-unknown" });
    const wrong = [Buffer.alloc(0), Buffer.alloc(32), right(Buffer.alloc(32)), right(jobKey, "e")];
    for (const token of [...wrong, jobToken(jobKey, ["branch", tuning.editId])]) {
      const refused = { code: "PERMISSION_DENIED", reason: "not-allowed" };
      await expect(pulled(1, { token })).rejects.toMatchObject(refused);
    }
    peer.close();
    await expectLocalBits(await tuning.finish(1));
  });

  it("refuses weights that are not the quorum's", async () => {
    const tuning = await led();
    const weightsHash = "0".repeat(64);
    await tuning.ask({ $case: "quorum", value: quorum(start, { weightsHash }) });
    await expect(tuning.next("ready")).rejects.toMatchObject({ reason: "weights-differ" });
  });

  it.each<[string, NonNullable<TuneRequest["request"]>]>([
    ["a commit", { $case: "commit", value: { quorumId: 1, step: 0 } }],
    ["a finish", { $case: "finish", value: {} }],
    ["a snapshot", { $case: "snapshot", value: {} }],
  ])("refuses %s before any quorum", async (_, request) => {
    const tuning = await led();
    await tuning.ask(request);
    await expect(tuning.next("ready")).rejects.toMatchObject({ reason: "quorum-changed" });
  });

  it("hands over its state when it drains, after a step", async () => {
    const other = await harness.addNode("n1");
    const client = new NodeServiceClient(
      other.address,
      credentials.createInsecure(),
      clientOptions,
    );
    const tuning = await led(client);
    const members = [{ nodeId: "n1", address: other.address, state: { source: start } }];
    await tuning.ask({ $case: "quorum", value: quorum(start, { members }) });
    await tuning.next("reduced");
    const drained = other.drain();
    await tuning.ask({ $case: "commit", value: { quorumId: 1, step: 0 } });
    const snapshot = await tuning.file("snapshot");
    await expect(tuning.next("reduced")).rejects.toMatchObject({ reason: "node-draining" });
    await drained;
    client.close();
    const resumed = await led();
    const value = harness.coordinator.put(snapshot);
    const from = { $case: "snapshotId", value } as const;
    await resumed.ask({ $case: "quorum", value: quorum(from, { committedSteps: 1, attempts: 1 }) });
    await expectLocalBits(await resumed.finish(1));
  });

  it("refuses a quorum that it is not of, and one without a state of its own", async () => {
    for (const [value, reason] of [
      [quorum({ $case: "own", value: true }), "quorum-changed"],
      [quorum(start, { committedSteps: 1, attempts: 1 }), "snapshot-mismatch"],
      [quorum(start, { shardCount: 32 }), "bad-message"],
      [quorum(start, { members: [] }), "bad-message"],
    ] as const) {
      const tuning = await led();
      await tuning.ask({ $case: "quorum", value });
      await expect(tuning.next("ready")).rejects.toMatchObject({ reason });
    }
  });
});
