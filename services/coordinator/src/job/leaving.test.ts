import { describe, expect, it } from "vitest";
import { defaultOptions } from "./cluster-state.js";
import { ACluster } from "./testing/a-cluster.js";

const leaver = (nodeId: string) => ({ nodeId, reason: "ordinal 1, and 1 is the first" });

function shrinking(): ACluster {
  const cluster = new ACluster();
  cluster.join("a");
  cluster.join("b");
  cluster.tell({ kind: "pool-shrinks", leavers: [leaver("b")] });
  return cluster;
}
const stateOf = (cluster: ACluster, nodeId: string) => cluster.state.nodes.get(nodeId)?.state;

describe("a pool that shrinks", () => {
  it("drains those that leave, with the reason, and gives them no work", () => {
    const cluster = shrinking();
    expect(cluster.last.reason).toContain("b (ordinal 1, and 1 is the first) leaves");
    expect(cluster.state.nodes.get("b")).toMatchObject({
      ...{ state: "draining", reason: "leaves the pool: ordinal 1, and 1 is the first" },
    });
    cluster.submit();
    cluster.finish("ingest");
    expect(cluster.record().tasks.map(({ nodeId }) => nodeId)).toEqual(["a"]);
  });

  it("holds one that comes back before it is removed, until the pool has its size", () => {
    const cluster = shrinking();
    cluster.join("b", { incarnation: "b2" });
    expect(stateOf(cluster, "b")).toBe("held");
    cluster.submit();
    cluster.finish("ingest");
    expect(cluster.record().tasks.map(({ nodeId }) => nodeId)).toEqual(["a"]);
    cluster.tell({ kind: "pool-settled" });
    expect(stateOf(cluster, "b")).toBe("ready");
    cluster.join("b", { incarnation: "b3" });
    expect(stateOf(cluster, "b")).toBe("ready");
  });

  it("lets go of those that another count keeps", () => {
    const cluster = shrinking();
    cluster.join("b", { incarnation: "b2" });
    cluster.tell({ kind: "pool-shrinks", leavers: [leaver("a")] });
    expect([stateOf(cluster, "a"), stateOf(cluster, "b")]).toEqual(["draining", "ready"]);
  });

  it("holds one whose lease had run out, too", () => {
    const cluster = shrinking();
    cluster.pass(defaultOptions.leaseDurationMs);
    expect(cluster.state.nodes.size).toBe(0);
    cluster.join("b", { incarnation: "b2" });
    expect(stateOf(cluster, "b")).toBe("held");
  });
});

describe("machines that are cordoned", () => {
  const cordoned = (...nodeIds: readonly string[]) => ({
    kind: "machines-cordoned" as const,
    leavers: nodeIds.map((nodeId) => ({ nodeId, reason: "its machine m1 is cordoned" })),
  });

  it("has a busy node hand over, once, and holds an idle one", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.submit();
    cluster.finish("ingest");
    cluster.join("b");
    cluster.tell(cordoned("a", "b"));
    expect(cluster.last.reason).toContain("node a is draining: its machine m1 is cordoned");
    expect([stateOf(cluster, "a"), stateOf(cluster, "b")]).toEqual(["draining", "held"]);
    cluster.join("a", { incarnation: "a2" });
    cluster.tell(cordoned("a", "b"));
    expect([stateOf(cluster, "a"), stateOf(cluster, "b")]).toEqual(["held", "held"]);
    expect(cluster.record().tasks).toEqual([]);
  });

  it("gives work again to nodes whose machine takes pods again", () => {
    const cluster = new ACluster();
    for (const nodeId of ["a", "b"]) cluster.join(nodeId);
    cluster.tell(cordoned("a", "b"));
    cluster.tell(cordoned("b"));
    expect([stateOf(cluster, "a"), stateOf(cluster, "b")]).toEqual(["ready", "held"]);
    cluster.submit();
    cluster.finish("ingest");
    expect(cluster.task("encode").nodeId).toBe("a");
  });

  it("keeps holding one that the pool lets stay, and the other way round", () => {
    const cluster = new ACluster();
    cluster.join("b");
    cluster.tell(cordoned("b"));
    cluster.tell({ kind: "pool-shrinks", leavers: [leaver("b")] });
    cluster.tell({ kind: "pool-settled" });
    expect(stateOf(cluster, "b")).toBe("held");
    cluster.tell({ kind: "pool-shrinks", leavers: [leaver("b")] });
    cluster.tell(cordoned());
    expect(stateOf(cluster, "b")).toBe("held");
    cluster.tell({ kind: "pool-settled" });
    expect(stateOf(cluster, "b")).toBe("ready");
  });

  it("leaves one alone that drains already, and says nothing where nothing is new", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.tell({ kind: "drain", nodeId: "a" });
    cluster.tell(cordoned("a", "never-joined"));
    expect(stateOf(cluster, "a")).toBe("draining");
    expect(cluster.last.reason).toBe("nothing changes");
  });
});
