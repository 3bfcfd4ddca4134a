import { describe, expect, it } from "vitest";
import type { NodeView } from "./cluster-state.js";
import { type PoolKind, whoLeaves } from "./leavers.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

const pool = (kind: PoolKind, count: number) => ({
  ...{ kind, count, name: kind === "static" ? "" : "gpu-node" },
});
const idsOf = (cluster: ACluster, kind: PoolKind, counts: { from: number; to: number }) =>
  whoLeaves(cluster.state, pool(kind, counts.from), counts.to).leavers.map(({ nodeId }) => nodeId);

function joined(...nodeIds: readonly string[]): ACluster {
  const cluster = new ACluster();
  for (const nodeId of nodeIds) cluster.join(nodeId);
  return cluster;
}

const put = (cluster: ACluster, nodeId: string, change: Partial<NodeView>): void => {
  const node = cluster.state.nodes.get(nodeId);
  if (node === undefined) throw new Error(`${nodeId} is not there`);
  const nodes = new Map(cluster.state.nodes).set(nodeId, { ...node, ...change });
  cluster.state = { ...cluster.state, nodes };
};

describe("whoLeaves a StatefulSet", () => {
  it("are the highest ordinals, by number and not by letter, the highest first", () => {
    const ids = Array.from({ length: 12 }, (_, ordinal) => `gpu-node-${ordinal}`);
    const { leavers, reason } = whoLeaves(joined(...ids).state, pool("stateful-set", 12), 9);
    expect(leavers.map(({ nodeId }) => nodeId)).toEqual([
      ...["gpu-node-11", "gpu-node-10", "gpu-node-9"],
    ]);
    expect(leavers[0]?.reason).toBe("ordinal 11, and 9 is the first");
    expect(reason).toBe("stateful-set gpu-node removes the highest first: from ordinal 9 on");
  });

  it("are those even where they are busy and the others idle", () => {
    const cluster = joined("gpu-node-1");
    cluster.untilTune({ settings: { ...someSettings, draws: 1 } });
    cluster.join("gpu-node-0");
    expect(idsOf(cluster, "stateful-set", { from: 2, to: 1 })).toEqual(["gpu-node-1"]);
  });

  it("leaves nodes of others alone, also those whose names look alike", () => {
    const others = ["gpu-node", "gpu-node-", "gpu-node-1-2", "gpu-node-x", "my-gpu-node-7", "a-9"];
    const cluster = joined(...others, "gpu-node-3");
    expect(idsOf(cluster, "stateful-set", { from: 4, to: 0 })).toEqual(["gpu-node-3"]);
  });

  it("includes those that drain already, which must not come back to work", () => {
    const cluster = joined("gpu-node-0", "gpu-node-1");
    cluster.tell({ kind: "drain", nodeId: "gpu-node-1" });
    expect(idsOf(cluster, "stateful-set", { from: 2, to: 1 })).toEqual(["gpu-node-1"]);
  });
});

describe("whoLeaves a LeaderWorkerSet", () => {
  it("are whole groups, the highest group indexes", () => {
    const names = [0, 1, 2].flatMap((group) => [`gpu-node-${group}`, `gpu-node-${group}-1`]);
    const { leavers } = whoLeaves(joined(...names).state, pool("leader-worker-set", 3), 1);
    expect(leavers.map(({ nodeId }) => nodeId)).toEqual([
      ...["gpu-node-2", "gpu-node-2-1", "gpu-node-1", "gpu-node-1-1"],
    ]);
    expect(leavers[1]?.reason).toBe("group index 2, and 1 is the first");
  });
});

describe("whoLeaves a static pool", () => {
  it("are idle nodes first, then helpers, then those with least done, who tunes last", () => {
    const cluster = joined("tunes");
    cluster.untilTune({ settings: { ...someSettings, draws: 1 } });
    cluster.join("a");
    cluster.submit("f", { prompts: ["p"] });
    const ingest = cluster.from(cluster.task("ingest", undefined, "f"), "f");
    const result = { artifactId: "clip", files: [] };
    cluster.tell({ kind: "task-finished", ...ingest, result });
    cluster.join("idle");
    const order = () => idsOf(cluster, "static", { from: 3, to: 0 });
    expect(order()).toEqual(["idle", "a", "tunes"]);
    const { leavers } = whoLeaves(cluster.state, pool("static", 3), 0);
    expect(leavers.map(({ reason }) => reason)).toEqual([
      ...["it is idle", "its encode of f has done 0 units", "it tunes e, 0 steps done"],
    ]);
  });

  it("of two that do the same, is the one that has done less", () => {
    const cluster = joined("a", "b");
    cluster.submit("e", { settings: { ...someSettings, frames: 2 } });
    cluster.finish("ingest");
    const task = cluster.task("encode", "a");
    cluster.tell({ kind: "task-progress", ...cluster.from(task), done: 1, total: 2 });
    expect(cluster.task("encode", "b").kind).toBe("encode");
    expect(idsOf(cluster, "static", { from: 2, to: 1 })).toEqual(["b"]);
    cluster.tell({
      ...{ kind: "task-progress", done: 2, total: 2 },
      ...cluster.from(cluster.task("encode", "b")),
    });
    expect(idsOf(cluster, "static", { from: 2, to: 1 })).toEqual(["a"]);
  });

  it("is one in quarantine rather than one that is idle, and of equal ones who joined last", () => {
    const cluster = joined("a");
    cluster.pass(1);
    cluster.join("b");
    cluster.join("c");
    expect(idsOf(cluster, "static", { from: 3, to: 2 })).toEqual(["b"]);
    put(cluster, "a", { state: "quarantined" });
    expect(idsOf(cluster, "static", { from: 3, to: 2 })).toEqual(["a"]);
  });

  it("counts nobody who goes already, and for every count leaves just so many", () => {
    const cluster = joined("a", "b", "c", "d");
    cluster.tell({ kind: "drain", nodeId: "d" });
    for (const to of [0, 1, 2, 3]) {
      const ids = idsOf(cluster, "static", { from: 3, to });
      expect([ids.length, ids.includes("d")]).toEqual([3 - to, false]);
    }
  });
});
