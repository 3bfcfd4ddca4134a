import { describe, expect, it } from "vitest";
import { idleNodesFor, whyWaits } from "./placement.js";
import { ACluster } from "./testing/a-cluster.js";
import { aRecord } from "./testing/an-edit.js";

const names = (cluster: ACluster, change: Partial<ReturnType<typeof aRecord>> = {}) =>
  idleNodesFor(cluster.state, { ...aRecord({}), ...change }, "encode").map(
    ({ info }) => info.nodeId,
  );

describe("idleNodesFor", () => {
  it("prefers nodes that have the model loaded, by name where they are alike", () => {
    const cluster = new ACluster();
    for (const nodeId of ["b", "a", "c"]) cluster.join(nodeId);
    expect(names(cluster)).toEqual(["a", "b", "c"]);
    const loaded = cluster.state.nodes.get("c");
    if (loaded === undefined) throw new Error("c has joined");
    const nodes = new Map(cluster.state.nodes).set("c", { ...loaded, modelLoaded: "m" });
    cluster.state = { ...cluster.state, nodes };
    expect(names(cluster)).toEqual(["c", "a", "b"]);
  });

  it("stays within the numerics id that the edit began with", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.join("b", { numericsId: "o" });
    expect(names(cluster, { numericsId: "o" })).toEqual(["b"]);
    expect(names(cluster, { numericsId: "x" })).toEqual([]);
  });

  it("leaves out nodes without the model, and those with a byte too little memory", () => {
    const cluster = new ACluster();
    cluster.join("a", { models: [] });
    cluster.join("b", { memoryBytes: 99 });
    cluster.join("c", { memoryBytes: 100 });
    expect(names(cluster, { memoryBytesMin: 100 })).toEqual(["c"]);
  });
});

describe("whyWaits", () => {
  it("says what is missing", () => {
    const cluster = new ACluster();
    const why = (change = {}) => whyWaits(cluster.state, { ...aRecord({}), ...change });
    expect(why()).toBe("waits: no node has joined");
    cluster.join("a", { models: [] });
    expect(why()).toBe("waits: no node serves the model m");
    cluster.join("b");
    expect(why({ numericsId: "x" })).toContain("numerics id x");
    expect(why({ memoryBytesMin: 101 })).toContain("memory");
    expect(why()).toBe("waits: all 1 nodes for it are busy or resting");
  });
});
