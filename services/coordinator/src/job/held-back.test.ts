import { describe, expect, it } from "vitest";
import type { NodeRates } from "./cluster-state.js";
import type { EditSpec, LatentsAt, Task } from "./edit-record.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

const frameCoupling = { waits: 1, haloBytesPerPixel: 0, siteBytesPerPixel: 0 };
const models = [
  { hash: "m", name: "M", tunedParameters: 1, frameCoupling, passMemory: [], passFlops: [] },
];
const size = { modelHash: "m", frames: 4, pixelsPerFrame: 64, passesAtOnce: 1 };
/** A pass takes 100 s: it is worth a while to get ready. */
const rates: NodeRates = {
  ...{ flopsPerSecond: 1, bytesPerSecond: 1e9, roundTripMs: 1 },
  passes: [{ ...size, kind: "unet", durationMs: 100_000 }],
};
const settings = { ...someSettings, frames: 4, steps: 0 };
const all: LatentsAt = { done: 3, total: 3, artifactId: "l3" };
const stopped = { code: "CANCELED", reason: "stopped", message: "stopped" };
const result = { artifactId: "", files: [] };

/** An edit up to its sampling. */
function sampling(change: Partial<EditSpec>, nodeIds = ["a", "b", "c", "d"]): ACluster {
  const cluster = new ACluster();
  for (const nodeId of nodeIds) cluster.join(nodeId, { models }, rates);
  cluster.untilTune({ settings, ...change });
  ended(cluster, cluster.task("invert"));
  return cluster;
}

/** A task has its last latents and ends, and then those that helped. */
function ended(cluster: ACluster, task: Task): void {
  const helpers = cluster.record().tasks.filter(({ helps }) => helps === task.id);
  cluster.tell({ kind: "latents", ...cluster.from(task), latents: all });
  cluster.tell({ kind: "task-finished", ...cluster.from(task), result });
  for (const helper of helpers) {
    cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
  }
}

/** The first of those that decode has its frames, and ends. */
function decodedOne(cluster: ACluster): void {
  const task = cluster.task("decode");
  for (let frame = task.frames.begin; frame < task.frames.end; frame += 1) {
    const artifactId = `f${task.promptIndex}-${frame}`;
    cluster.tell({ kind: "frame", ...cluster.from(task), frame, artifactId });
  }
  cluster.tell({ kind: "task-finished", ...cluster.from(task), result });
}

function decoded(cluster: ACluster): void {
  while (cluster.record().tasks.some(({ kind }) => kind === "decode")) decodedOne(cluster);
}

const samples = (cluster: ACluster): readonly string[] =>
  cluster
    .record()
    .tasks.filter(({ kind }) => kind === "sample")
    .map(({ nodeId, promptIndex, helps }) => `${promptIndex} ${nodeId}${helps && " helps"}`);
const promptTasks = (cluster: ACluster): readonly Task[] =>
  cluster.record().tasks.filter(({ kind, helps }) => kind === "sample" && helps === "");

describe("planPrompts", () => {
  it("has all nodes share the prompt that makes no whole round, then gives each its own", () => {
    const cluster = sampling({ prompts: ["p", "q", "r", "s", "t"] });
    expect(samples(cluster)).toEqual(["0 a", "0 b helps", "0 c helps", "0 d helps"]);
    const [first] = cluster
      .record()
      .layouts.filter(({ phase, promptIndex }) => phase === "sample" && promptIndex === -1);
    // 3 * 25 s for the first and 6 s to get ready, then 3 * 100 s.
    expect(first).toMatchObject({ phase: "sample", layout: "prompts" });
    expect(first?.reason).toBe(
      "prompts on a, b, c, d (1 prompt by 1, then 4 prompts by 4) in 381.0 s; " +
        "slower: one node (a) in 1500.0 s",
    );
    const [leader] = promptTasks(cluster);
    if (leader === undefined) throw new Error("nobody samples");
    ended(cluster, leader);
    decoded(cluster);
    expect(samples(cluster)).toEqual(["1 a", "2 b", "3 c", "4 d"]);
  });

  it("forms groups anew for the next round", () => {
    const cluster = sampling({ prompts: ["p", "q", "r"] });
    expect(samples(cluster).length).toBe(4);
    const [leader] = promptTasks(cluster);
    if (leader === undefined) throw new Error("nobody samples");
    ended(cluster, leader);
    decoded(cluster);
    expect(samples(cluster)).toEqual(["1 a", "2 b", "1 c helps", "2 d helps"]);
  });

  it("waits with a group for those that still decode", () => {
    const change = { prompts: ["p", "q"], settings: { ...settings, frames: 3 } };
    const cluster = sampling(change, ["a", "b", "c"]);
    expect(samples(cluster)).toEqual(["0 a", "0 b helps", "0 c helps"]);
    const [leader] = promptTasks(cluster);
    if (leader === undefined) throw new Error("nobody samples");
    ended(cluster, leader);
    for (const expected of [["1 a"], ["1 a"], ["1 a", "1 b helps", "1 c helps"]]) {
      decodedOne(cluster);
      expect(samples(cluster)).toEqual(expected);
    }
  });

  it("holds no prompt back while another edit is there, and calls those back that share", () => {
    const cluster = sampling({ prompts: ["p", "q", "r", "s", "t"] });
    cluster.submit("e2");
    cluster.tell({ kind: "tick" });
    expect(cluster.state.edits.get("e")?.sampling).toBeNull();
    expect(samples(cluster).filter((each) => each.includes("helps"))).toEqual([]);
  });

  it("plans anew when a node joins", () => {
    const cluster = sampling({ prompts: ["p", "q", "r", "s", "t"] });
    expect(cluster.state.edits.get("e")?.sampling?.nodeCount).toBe(4);
    cluster.join("e", { models }, rates);
    const { plan, nodeCount } = cluster.state.edits.get("e")?.sampling ?? {};
    expect([nodeCount, plan?.stages]).toEqual([5, [{ prompts: 5, atOnce: 5 }]]);
  });

  it("holds nothing back where whole prompts were asked for", () => {
    const cluster = sampling({ prompts: ["p", "q", "r", "s", "t"], layout: "prompts" });
    expect(samples(cluster)).toEqual(["0 a", "1 b", "2 c", "3 d"]);
  });
});
