import { credentials } from "@grpc/grpc-js";
import { callUnary, clientOptions, readStream } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import { NodeServiceClient, type SampleRequest, type TaskHeader } from "@retake/wire/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostTensor } from "../tasks/host-tensors.js";
import type { GpuNode } from "./gpu-node.js";
import { collected, createHarness, type NodeHarness, settings } from "./testing/node-harness.js";

const subject = "trying";
const shape = [1, 4, 3, 8, 8];
const iterations = 60;

describe("a guidance branch on another node", () => {
  let harness: NodeHarness;
  let peer: GpuNode;
  let peerClient: NodeServiceClient;
  let latentsId: string;
  let alone: Buffer;

  beforeAll(async () => {
    harness = await createHarness();
    const values = Float32Array.from({ length: 4 * 3 * 8 * 8 }, (_, i) => Math.sin(i));
    latentsId = await harness.put({ latents: hostTensor(shape, values) });
    alone = await sampled(request(harness.header()));
    await startPeer("n1");
  });
  afterAll(async () => {
    peerClient.close();
    await peer.close();
    await harness.close();
  });

  async function startPeer(nodeId: string): Promise<void> {
    peer = await harness.addNode(nodeId);
    peerClient = new NodeServiceClient(peer.address, credentials.createInsecure(), clientOptions);
  }

  const request = (task: TaskHeader): SampleRequest => ({
    ...{ task, latentsId, deltaId: "", prompt: "a blue ball", negativePrompt: "a red one" },
    ...{ settings: { ...settings, ddim: iterations }, resume: undefined },
  });

  async function sampled(asked: SampleRequest): Promise<Buffer> {
    const chunks: Chunk[] = [];
    const { client } = harness;
    for await (const { event } of readStream(client.sample.bind(client), asked, { subject })) {
      if (event?.$case !== "latents" || event.value.done !== iterations) continue;
      if (event.value.chunk !== undefined) chunks.push(event.value.chunk);
    }
    return collected(chunks);
  }

  /** Serves a branch on the peer until it ends; tells after each pass how many it were. */
  async function serve(task: TaskHeader, onPass: (done: number) => void): Promise<void> {
    const { settings: of } = request(task);
    const asked = { task, deltaId: "", prompt: "a red one", settings: of };
    const answers = readStream(peerClient.serveBranch.bind(peerClient), asked, { subject });
    for await (const { report } of answers) {
      if (report?.report?.$case === "progress") onPass(report.report.value.done);
    }
  }

  function lend(task: TaskHeader, branch: TaskHeader): Promise<unknown> {
    const { client } = harness;
    const lent = { peerAddress: peer.address, branchTaskId: branch.taskId };
    const asked = { taskId: task.taskId, epoch: 1, ...lent };
    return callUnary(client.lendBranch.bind(client), asked, { subject });
  }

  it("gives the bits of one node, and the peer's task ends with the sampling", async () => {
    const [task, branch] = [harness.header(), harness.header()];
    let passes = 0;
    const served = serve(branch, (done) => {
      passes = done;
    });
    await lend(task, branch);
    expect((await sampled(request(task))).equals(alone)).toBe(true);
    await served;
    expect(passes).toBeGreaterThan(0);
    expect(passes).toBeLessThanOrEqual(iterations);
  });

  it("gives the bits of one node when the peer dies in the middle", async () => {
    const [task, branch] = [harness.header(), harness.header()];
    let passes = 0;
    const served = serve(branch, (done) => {
      passes = done;
      if (done === 3) void peer.close();
    });
    const ended = expect(served).rejects.toMatchObject({ reason: expect.any(String) });
    await lend(task, branch);
    expect((await sampled(request(task))).equals(alone)).toBe(true);
    await ended;
    expect(passes).toBeGreaterThanOrEqual(3);
    expect(passes).toBeLessThan(iterations);
    await peer.closed;
    peerClient.close();
    await startPeer("n2");
  });

  it("samples alone where the peer does not know the task, or is not there", async () => {
    const task = harness.header();
    await lend(task, harness.header());
    expect((await sampled(request(task))).equals(alone)).toBe(true);
    const other = harness.header();
    const { client } = harness;
    const nobody = { peerAddress: "127.0.0.1:1", branchTaskId: "none" };
    const asked = { taskId: other.taskId, epoch: 1, ...nobody };
    await callUnary(client.lendBranch.bind(client), asked, { subject });
    expect((await sampled(request(other))).equals(alone)).toBe(true);
  });

  it.each([
    ["no task", { taskId: "" }],
    ["no epoch", { epoch: 0 }],
    ["an address that is none", { peerAddress: "here" }],
    ["no task of the peer", { branchTaskId: "" }],
  ])("refuses a lent branch with %s", async (_, wrong) => {
    const { client } = harness;
    const lent = { peerAddress: peer.address, branchTaskId: "b" };
    const asked = { taskId: "t", epoch: 1, ...lent, ...wrong };
    await expect(
      callUnary(client.lendBranch.bind(client), asked, { subject }),
    ).rejects.toMatchObject({ reason: "bad-message" });
  });
});
