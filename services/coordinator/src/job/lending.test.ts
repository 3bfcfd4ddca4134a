import { describe, expect, it } from "vitest";
import type { NodeRates } from "./cluster-state.js";
import type { EditSpec, LatentsAt } from "./edit-record.js";
import { sharesFrames } from "./lending.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

const at = (done: number): LatentsAt => ({ done, total: 3, artifactId: `l${done}` });
/** A pass takes 100 ms; the latents of two frames of 8x8 pixels are 32 bytes. */
const rates = (bytesPerSecond = 1e9): NodeRates => ({
  ...{ flopsPerSecond: 1, bytesPerSecond, roundTripMs: 1 },
  passes: [
    ...[
      {
        modelHash: "m",
        kind: "unet" as const,
        frames: 2,
        pixelsPerFrame: 64,
        durationMs: 100,
        passesAtOnce: 1,
      },
    ],
  ],
});
const tenSeconds = { durationMs: 10_000 };
const guided = { ...someSettings, steps: 0, guidance: 7.5 };

/** An edit on two nodes, up to its sampling. */
function sampling(
  change: Partial<EditSpec> = {},
  { nodeIds = ["a", "b"], bytesPerSecond = 1e9 } = {},
): ACluster {
  const cluster = new ACluster();
  for (const nodeId of nodeIds) cluster.join(nodeId, {}, rates(bytesPerSecond));
  cluster.untilTune({ settings: guided, ...change });
  const origin = cluster.from(cluster.task("invert"));
  cluster.tell({ kind: "latents", ...origin, latents: at(3) });
  cluster.finish("invert");
  return cluster;
}
const helperOf = (cluster: ACluster) => {
  const helper = cluster.record().tasks.find(({ helps }) => helps !== "");
  if (helper === undefined) throw new Error("nobody helps");
  return helper;
};
const isHelped = (cluster: ACluster): boolean =>
  cluster.record().tasks.some(({ helps }) => helps !== "");
const sampled = (cluster: ACluster, latents: LatentsAt, nodeId = "a") =>
  cluster.tell({ kind: "latents", ...cluster.from(cluster.task("sample", nodeId)), latents });
const lastLayout = (cluster: ACluster) => cluster.record().layouts.at(-1);
const stopped = { code: "CANCELED", reason: "stopped", message: "stopped" };

describe("lendPeers", () => {
  it("lends an idle node to the sampling of the only prompt, and says why", () => {
    const cluster = sampling();
    const { task } = cluster.did("start-task")[0] ?? {};
    expect(task).toMatchObject({ kind: "sample", nodeId: "a", helps: "" });
    expect(helperOf(cluster)).toMatchObject({ kind: "sample", nodeId: "b", helps: task?.id });
    expect(cluster.did("lend-branch")).toMatchObject([
      { nodeId: "a", taskId: task?.id, address: "b:1", helper: { nodeId: "b" } },
    ]);
    // Three iterations of two passes on one node, of one pass and the way there and back on two.
    const reason = "branches on a, b in 303 ms; slower: one node (a) in 600 ms";
    expect(lastLayout(cluster)).toMatchObject({
      ...{ phase: "sample", promptIndex: 0, layout: "branches", nodeIds: ["a", "b"], reason },
      measuredMs: 0,
    });
    expect(cluster.record().reason).toContain(reason);
  });

  it("declines over a slow link, and says what it would have taken", () => {
    const cluster = sampling({}, { bytesPerSecond: 500 });
    expect(isHelped(cluster)).toBe(false);
    expect(lastLayout(cluster)).toMatchObject({
      ...{ layout: "one", predictedMs: 600 },
      reason: "one node (a) in 600 ms; declined: branches on a, b in 687 ms",
    });
  });

  it("weighs help anew at a tick, and not at every heartbeat", () => {
    const cluster = new ACluster();
    const unmeasured = { ...rates(), passes: [] };
    for (const nodeId of ["a", "b"]) cluster.join(nodeId, {}, unmeasured);
    cluster.untilTune({ settings: guided });
    const origin = cluster.from(cluster.task("invert"));
    cluster.tell({ kind: "latents", ...origin, latents: at(3) });
    cluster.finish("invert");
    const taskIds = [cluster.task("sample", "a").id];
    const beat = { kind: "heartbeat", nodeId: "a", incarnation: "a1", taskIds } as const;
    cluster.tell({ ...beat, rates: rates() });
    expect(isHelped(cluster)).toBe(false);
    cluster.tell({ kind: "tick" });
    expect(helperOf(cluster)).toMatchObject({ nodeId: "b" });
  });

  it("gives whole prompts to nodes first, and lends who has none", () => {
    const cluster = sampling({ prompts: ["p", "q"] });
    expect(isHelped(cluster)).toBe(false);
    expect(lastLayout(cluster)).toMatchObject({
      ...{ layout: "prompts", promptIndex: -1, nodeIds: ["a", "b"], predictedMs: 600 },
    });
    cluster.join("c", {}, rates());
    expect(helperOf(cluster)).toMatchObject({ nodeId: "c" });
    expect(lastLayout(cluster)).toMatchObject({ layout: "branches", promptIndex: 0 });
  });

  it.each([
    ["without guidance", { settings: { ...guided, guidance: 1 } }],
    ["where both branches are one pass", { settings: { ...guided, batch: 2 } }],
    ["where whole prompts were asked for", { layout: "prompts" }],
    ["where one node was asked for", { layout: "one" }],
  ] as const)("lends nobody %s", (_, change) => {
    expect(isHelped(sampling(change))).toBe(false);
  });

  it("keeps to one node, or to two for a prompt, where that was asked for", () => {
    const running = (layout: EditSpec["layout"]) =>
      sampling({ layout, prompts: ["p", "q"] })
        .record()
        .tasks.map(({ nodeId, promptIndex }) => `${nodeId}${promptIndex}`);
    expect(running("one")).toEqual(["a0"]);
    expect(running("branches")).toEqual(["a0", "b0"]);
    expect(running("auto")).toEqual(["a0", "b1"]);
  });

  it("lets who samples go on alone when the peer is lost, and lends it another", () => {
    const cluster = sampling();
    const before = cluster.task("sample", "a");
    cluster.join("b", { incarnation: "b2" }, rates());
    expect(cluster.task("sample", "a")).toBe(before);
    expect(cluster.record()).toMatchObject({ recoveries: 1, retries: { infrastructure: 0 } });
    expect(cluster.did("lend-branch")).toMatchObject([{ helper: { incarnation: "b2" } }]);
  });

  it("says how it goes on alone, and since when", () => {
    const cluster = sampling();
    cluster.nowMs += 100;
    sampled(cluster, at(1));
    const failure = { ...stopped, reason: "engine-failed", message: "out of memory" };
    cluster.tell({ kind: "task-failed", ...cluster.from(helperOf(cluster)), failure });
    expect(cluster.record().layouts.slice(-2)).toMatchObject([
      { layout: "branches", measuredMs: 100 },
      { layout: "one", predictedMs: 400, reason: "out of memory; one node (a) in 400 ms" },
    ]);
  });

  it("lends nobody again when help has ended as it should, or one iteration is left", () => {
    const ended = sampling();
    const result = { artifactId: "", files: [] };
    ended.tell({ kind: "task-finished", ...ended.from(helperOf(ended)), result });
    expect(isHelped(ended)).toBe(false);
    expect(ended.record().recoveries).toBe(0);
    const late = sampling({}, { nodeIds: ["a"] });
    sampled(late, at(2));
    late.join("b", {}, rates());
    expect(isHelped(late)).toBe(false);
  });

  it("leaves a peer alone that failed, but not one that was no longer asked", () => {
    for (const [reason, rests] of [
      ["engine-failed", true],
      ["stopped", false],
    ] as const) {
      const cluster = sampling();
      const failure = { ...stopped, reason };
      cluster.tell({ kind: "task-failed", ...cluster.from(helperOf(cluster)), failure });
      expect([reason, isHelped(cluster)]).toEqual([reason, !rests]);
      expect(cluster.record().state).toBe("running");
    }
  });

  it("stops the helper when who samples is lost, and begins from the stored iteration", () => {
    const cluster = sampling();
    sampled(cluster, at(1));
    const helper = helperOf(cluster);
    const failure = { code: "UNAVAILABLE", reason: "unreachable", message: "gone" };
    cluster.tell({ kind: "task-failed", ...cluster.from(cluster.task("sample", "a")), failure });
    expect(cluster.did("abort-task")).toMatchObject([{ taskId: helper.id, nodeId: "b" }]);
    expect(isHelped(cluster)).toBe(false);
    cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
    const [again] = cluster.did("start-task");
    expect(again).toMatchObject({ task: { nodeId: "b", helps: "" } });
    expect(again?.record.artifacts.sampled[0]).toEqual(at(1));
  });

  it("says how long it took, and divides the frames over both nodes then", () => {
    const cluster = sampling();
    const helper = helperOf(cluster);
    cluster.nowMs += 350;
    sampled(cluster, at(3));
    cluster.finish("sample", "", "a");
    cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
    const { layouts, tasks } = cluster.record();
    expect(layouts.find(({ layout }) => layout === "branches")).toMatchObject({ measuredMs: 350 });
    expect(tasks.map(({ kind, nodeId, frames }) => [kind, nodeId, frames.begin])).toEqual([
      ["decode", "a", 0],
      ["decode", "b", 1],
    ]);
  });
});

describe("lendPeers, where frames were asked for", () => {
  const frameCoupling = { waits: 1, haloBytesPerPixel: 0, siteBytesPerPixel: 0 };
  const models = [
    { hash: "m", name: "M", tunedParameters: 1, frameCoupling, passMemory: [], passFlops: [] },
  ];

  /** An edit on three nodes, up to its inversion. */
  function inverting(change: Partial<EditSpec> = {}): ACluster {
    const cluster = new ACluster();
    for (const nodeId of ["a", "b", "c"]) cluster.join(nodeId, { models }, rates());
    cluster.untilTune({ settings: { ...guided, frames: 3 }, layout: "frames", ...change });
    return cluster;
  }
  const shared = (cluster: ACluster) => {
    const { tasks } = cluster.record();
    return tasks.map(
      ({ kind, nodeId, helps }) => `${kind} ${nodeId}${helps === "" ? "" : " helps"}`,
    );
  };

  it("lends all nodes to an inversion, and to one prompt after the other", () => {
    const cluster = inverting({ prompts: ["p", "q"] });
    expect(shared(cluster)).toEqual(["invert a", "invert b helps", "invert c helps"]);
    const { ownAddress, helpers } = cluster.did("lend-frames")[0] ?? {};
    expect(ownAddress).toBe("a:1");
    expect(helpers?.map(({ address }) => address)).toEqual(["b:1", "c:1"]);
    expect(lastLayout(cluster)).toMatchObject({
      ...{ phase: "invert", layout: "frames", nodeIds: ["a", "b", "c"] },
      reason: expect.stringContaining("as asked for"),
    });
    const [leader, ...others] = cluster.record().tasks;
    if (leader === undefined) throw new Error("nobody inverts");
    cluster.tell({ kind: "latents", ...cluster.from(leader), latents: at(3) });
    const result = { artifactId: "", files: [] };
    cluster.tell({ kind: "task-finished", ...cluster.from(leader), result });
    for (const helper of others) {
      cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
    }
    expect(shared(cluster).filter((task) => !task.includes("helps"))).toEqual(["sample a"]);
    expect(shared(cluster)).toContain("sample b helps");
  });

  it("lets the leader go on alone when a rank is lost, and lends it those that are left", () => {
    const cluster = inverting();
    const [leader, b, c] = cluster.record().tasks;
    if (leader === undefined || b === undefined || c === undefined) throw new Error("three tasks");
    cluster.nowMs += 100;
    const gone = { code: "UNAVAILABLE", reason: "unreachable", message: "gone" };
    cluster.tell({ kind: "task-failed", ...cluster.from(b), failure: gone });
    const silent = { ...gone, reason: "peer-silent", message: "rank 1 is silent" };
    cluster.tell({ kind: "task-failed", ...cluster.from(c), failure: silent });
    expect(shared(cluster)).toEqual(["invert a", "invert c helps"]);
    expect(cluster.record()).toMatchObject({ recoveries: 2, retries: { infrastructure: 0 } });
    expect(cluster.record().layouts.slice(-2)).toMatchObject([
      { layout: "frames", nodeIds: ["a", "b", "c"], measuredMs: 100 },
      { layout: "frames", nodeIds: ["a", "c"] },
    ]);
  });

  it("lends nobody where a node does not say what crosses, or both branches are one pass", () => {
    const cluster = inverting();
    expect(isHelped(cluster)).toBe(true);
    const silent = sampling({ layout: "frames" });
    expect(isHelped(silent)).toBe(false);
    expect(isHelped(inverting({ settings: { ...guided, frames: 3, batch: 2 } }))).toBe(false);
  });
});

describe("lendPeers, where sharing frames is faster", () => {
  const frameCoupling = { waits: 1, haloBytesPerPixel: 0, siteBytesPerPixel: 0 };
  const models = [
    { hash: "m", name: "M", tunedParameters: 1, frameCoupling, passMemory: [], passFlops: [] },
  ];
  /** A pass takes 10 s: it is worth a while to get ready. */
  const slow = { ...rates(), passes: rates().passes.map((each) => ({ ...each, ...tenSeconds })) };

  function inverting(nodeIds: readonly string[], prompts: readonly string[]): ACluster {
    const cluster = new ACluster();
    for (const nodeId of nodeIds) cluster.join(nodeId, { models }, slow);
    cluster.untilTune({ settings: { ...guided, frames: 2 }, prompts });
    return cluster;
  }
  function ended(cluster: ACluster): void {
    const [leader, ...helpers] = cluster.record().tasks;
    if (leader === undefined) throw new Error("nobody inverts");
    cluster.tell({ kind: "latents", ...cluster.from(leader), latents: at(3) });
    const result = { artifactId: "", files: [] };
    cluster.tell({ kind: "task-finished", ...cluster.from(leader), result });
    for (const helper of helpers) {
      cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
    }
  }
  const tasks = (cluster: ACluster): string[] =>
    cluster
      .record()
      .tasks.map(({ kind, nodeId, helps }) =>
        `${kind} ${nodeId} ${helps.replace("e-", "")}`.trim(),
      );

  it("shares an inversion, and says how much longer one node would take", () => {
    const cluster = inverting(["a", "b", "c"], ["p"]);
    // Two frames are for two nodes, however many there are.
    expect(tasks(cluster)).toEqual(["invert a", "invert b 4"]);
    expect(cluster.did("lend-frames")).toMatchObject([{ nodeId: "a", helpers: [{}] }]);
    expect(lastLayout(cluster)).toMatchObject({
      ...{ layout: "frames", nodeIds: ["a", "b"] },
      reason: "frames on a, b in 21.0 s; slower: one node (a) in 30.0 s",
    });
    const [, helper] = cluster.record().tasks;
    expect(helper && sharesFrames(cluster.record(), helper)).toBe(true);
  });

  it("gives every prompt its node first, then as many helpers", () => {
    const cluster = inverting(["a", "b", "c", "d", "e"], ["p", "q"]);
    ended(cluster);
    const { tasks: samples } = cluster.record();
    const helpers = samples.filter(({ helps }) => helps !== "");
    expect([samples.length, helpers.length]).toEqual([4, 2]);
    expect(new Set(helpers.map(({ helps }) => helps)).size).toBe(2);
    // With two frames, a branch is as good, and ready at once.
    expect(helpers.some((helper) => sharesFrames(cluster.record(), helper))).toBe(false);
  });

  it("calls a rank back when a whole piece of work waits", () => {
    const cluster = inverting(["a", "b"], ["p"]);
    const [, helper] = cluster.record().tasks;
    if (helper === undefined) throw new Error("nobody helps");
    cluster.submit("e2");
    const origin = cluster.from(cluster.task("ingest", "", "e2"), "e2");
    const result = { artifactId: "clip", files: [] };
    cluster.tell({ kind: "task-finished", ...origin, result });
    expect(cluster.did("abort-task")).toMatchObject([{ taskId: helper.id }]);
    expect(lastLayout(cluster)).toMatchObject({ phase: "invert", layout: "one" });
    cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
    expect(cluster.did("start-task")).toMatchObject([{ editId: "e2", task: { nodeId: "b" } }]);
    expect(tasks(cluster)).toEqual(["invert a"]);
  });
});

describe("recallPeers", () => {
  it("calls a peer back when a whole piece of work waits, and gives it that", () => {
    const cluster = sampling();
    const helper = helperOf(cluster);
    cluster.submit("e2");
    const origin = cluster.from(cluster.task("ingest", "", "e2"), "e2");
    const result = { artifactId: "clip", files: [] };
    cluster.tell({ kind: "task-finished", ...origin, result });
    expect(cluster.did("abort-task")).toMatchObject([{ taskId: helper.id }]);
    expect(cluster.last.reason).toContain("node b is called back: whole pieces of work wait");
    cluster.tell({ kind: "tick" });
    expect(cluster.did("abort-task")).toEqual([]);
    cluster.tell({ kind: "task-failed", ...cluster.from(helper), failure: stopped });
    expect(cluster.did("start-task")).toMatchObject([{ editId: "e2", task: { nodeId: "b" } }]);
    expect(cluster.task("sample", "a").helps).toBe("");
  });
});
