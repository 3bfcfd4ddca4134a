import { credentials } from "@grpc/grpc-js";
import { clientOptions, openBidi, readStream } from "@retake/wire";
import { type JobTokenOf, jobToken } from "@retake/wire/exchange";
import type { TaskHeader } from "@retake/wire/node";
import { PeerServiceClient } from "@retake/wire/peer";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createHarness, jobKey, type NodeHarness, settings } from "./testing/node-harness.js";

const subject = "trying";
const shape = [1, 4, 3, 8, 8];
const refused = { code: "PERMISSION_DENIED", reason: "not-allowed" };

/** What a node may come with that has no part in an edit. */
const wrongTokens = ([what, name]: JobTokenOf): readonly Buffer[] => [
  ...[Buffer.alloc(0), Buffer.alloc(32), Buffer.from(jobKey)],
  jobToken(Buffer.alloc(32, 8), [what, name]),
  jobToken(jobKey, [what, "another"]),
  jobToken(jobKey, ["snapshot", name]),
];

describe("peerService", () => {
  let harness: NodeHarness;
  let peer: PeerServiceClient;
  const counts = { refused: 0 };

  beforeAll(async () => {
    harness = await createHarness();
    const { address } = harness.node;
    peer = new PeerServiceClient(address, credentials.createInsecure(), clientOptions);
  });
  afterAll(async () => {
    console.log(`job tokens: ${counts.refused} of ${3 * 6} refused`);
    peer.close();
    await harness.close();
  });

  /** Opens a call, and gives what comes of it. */
  async function opened(kind: "branch" | "frames", taskId: string, token: Buffer): Promise<string> {
    const open = { taskId, epoch: 1, shape, jobToken: token };
    const members = [1, 2].map((frames) => ({ address: harness.node.address, frames }));
    if (kind === "branch") {
      const call = openBidi(peer.predictBranch.bind(peer), { subject });
      call.send({ request: { $case: "open", value: open } }).catch(() => undefined);
      for await (const { response } of call.responses) return response?.$case ?? "";
      return "";
    }
    const call = openBidi(peer.runFrames.bind(peer), { subject });
    const value = { ...open, groupId: "g", rank: 1, members };
    call.send({ request: { $case: "open", value } }).catch(() => undefined);
    for await (const { response } of call.responses) return response?.$case ?? "";
    return "";
  }

  /** Has the node serve a call until the test has asked. */
  async function serving(
    kind: "branch" | "frames",
    work: (task: TaskHeader) => Promise<void>,
  ): Promise<void> {
    const { client } = harness;
    const task = harness.header();
    const stop = new AbortController();
    const called = { subject, signal: stop.signal };
    const common = { task, deltaId: "", settings };
    const answers =
      kind === "branch"
        ? readStream(client.serveBranch.bind(client), { ...common, prompt: "a" }, called)
        : readStream(client.serveFrames.bind(client), { ...common, prompts: ["a"] }, called);
    const ended = answers.next().catch(() => undefined);
    await work(task);
    stop.abort("asked");
    await ended;
  }

  it.each(["branch", "frames"] as const)(
    "gives passes of a branch, or of frames, to its edit alone: %s",
    async (kind) => {
      await serving(kind, async ({ taskId }) => {
        for (const token of wrongTokens([kind, taskId])) {
          await expect(opened(kind, taskId, token)).rejects.toMatchObject(refused);
          counts.refused += 1;
        }
        const right = jobToken(jobKey, [kind, taskId]);
        expect(await opened(kind, taskId, right)).toBe("ready");
      });
    },
  );

  it("gives activations to its edit alone", async () => {
    await serving("frames", async ({ taskId }) => {
      const ready = opened("frames", taskId, jobToken(jobKey, ["frames", taskId]));
      for (const token of wrongTokens(["activations", "g"])) {
        const request = { groupId: "g", rank: 0, epoch: 1, jobToken: token };
        const answers = readStream(peer.pullActivations.bind(peer), request, { subject });
        await expect(answers.next()).rejects.toMatchObject(refused);
        counts.refused += 1;
      }
      expect(await ready).toBe("ready");
    });
  });
});
