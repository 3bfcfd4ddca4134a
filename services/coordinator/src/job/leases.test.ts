import { describe, expect, it } from "vitest";
import { defaultOptions } from "./cluster-state.js";
import { ACluster } from "./testing/a-cluster.js";

const { leaseDurationMs, taskStartGraceMs, tickGapMaxMs, taskStallMs } = defaultOptions;

/** One node that encodes. */
function encoding() {
  const cluster = new ACluster();
  cluster.join("a");
  cluster.submit();
  cluster.finish("ingest");
  return cluster;
}

describe("onJoined", () => {
  it("refuses another protocol version with a sentence", () => {
    const cluster = new ACluster();
    expect(cluster.join("a", { protocolVersion: 2 }).refusal).toMatchObject({
      reason: "protocol-version",
      message: "node a: expected protocol version 1, got 2; run one version in a cluster",
    });
    expect(cluster.state.nodes.size).toBe(0);
  });

  it("lets a new life take the place of the old one, whose tasks are void", () => {
    const cluster = encoding();
    const old = cluster.task("encode");
    cluster.join("a", { incarnation: "a2" });
    expect(cluster.record().tasks).toHaveLength(1);
    expect(cluster.task("encode")).toMatchObject({ incarnation: "a2", id: "e-3" });
    const late = { artifactId: "late", files: [] };
    const event = { kind: "task-finished", ...cluster.from(old), result: late } as const;
    expect(cluster.tell(event).refusal?.reason).toBe("task-stale");
    expect(cluster.record().artifacts.moments).toEqual([]);
  });

  it("keeps a second node of the same name out until the lease of the first ran out", () => {
    const cluster = new ACluster();
    cluster.join("a");
    const twin = { incarnation: "x", address: "elsewhere:1" };
    expect(cluster.join("a", twin).refusal?.reason).toBe("node-name-taken");
    cluster.pass(leaseDurationMs);
    expect(cluster.join("a", twin).refusal).toBeNull();
  });

  it("prolongs the place of a node that joins twice, and keeps its task", () => {
    const cluster = encoding();
    cluster.join("a");
    expect(cluster.task("encode").nodeId).toBe("a");
    expect(cluster.state.nodes.get("a")?.tasks).toHaveLength(1);
  });
});

describe("expireLeases", () => {
  it("keeps a node until its lease has run out, and not a millisecond longer", () => {
    const cluster = encoding();
    cluster.pass(leaseDurationMs - 1);
    expect(cluster.state.nodes.has("a")).toBe(true);
    cluster.pass(1);
    expect(cluster.state.nodes.has("a")).toBe(false);
    expect(cluster.record()).toMatchObject({ tasks: [], recoveries: 1, state: "running" });
    expect(cluster.last.reason).toContain("the lease of node a ran out");
  });

  it("is not misled by a clock that jumps, either way", () => {
    const cluster = encoding();
    for (const jumpMs of [3_600_000, -7_200_000]) {
      cluster.nowMs += jumpMs;
      cluster.tell({ kind: "tick" });
      expect(cluster.state.nodes.has("a")).toBe(true);
    }
    cluster.pass(leaseDurationMs - tickGapMaxMs);
    expect(cluster.state.nodes.has("a")).toBe(false);
  });

  it("gives the work of a lost node to another", () => {
    const cluster = encoding();
    cluster.pass(leaseDurationMs - 1);
    cluster.join("b");
    cluster.pass(1);
    expect(cluster.task("encode").nodeId).toBe("b");
  });
});

describe("onHeartbeat", () => {
  it("refuses a node that holds no place, and one of an earlier life", () => {
    const cluster = new ACluster();
    expect(cluster.heartbeat("a", []).refusal?.reason).toBe("lease-lost");
    cluster.join("a");
    const rates = { flopsPerSecond: 1, bytesPerSecond: 1, roundTripMs: 1, passes: [] };
    const old = { kind: "heartbeat", nodeId: "a", incarnation: "a0", rates, taskIds: [] } as const;
    expect(cluster.tell(old).refusal?.reason).toBe("lease-lost");
  });

  it("begins a task again that two heartbeats do not name, once it had time to begin", () => {
    const cluster = encoding();
    cluster.heartbeat("a", []);
    cluster.heartbeat("a", []);
    expect(cluster.task("encode").id).toBe("e-2");
    for (let passedMs = 0; passedMs < taskStartGraceMs; passedMs += tickGapMaxMs) {
      cluster.pass(tickGapMaxMs);
    }
    cluster.heartbeat("a", []);
    expect(cluster.task("encode").id).toBe("e-2");
    cluster.heartbeat("a", []);
    expect(cluster.record()).toMatchObject({ tasks: [], retries: { infrastructure: 1 } });
  });

  it("stops what no record names", () => {
    const cluster = encoding();
    cluster.heartbeat("a", ["e-2", "e-99", "gone-1"]);
    expect(cluster.did("abort-task").map(({ taskId }) => taskId)).toEqual(["e-99", "gone-1"]);
  });
});

describe("endStalls", () => {
  it("begins a task again of which nothing is heard, though its node lives", () => {
    const cluster = encoding();
    const passAlive = (forMs: number) => {
      for (let passedMs = 0; passedMs < forMs; passedMs += tickGapMaxMs) {
        cluster.pass(tickGapMaxMs);
        cluster.heartbeat(
          "a",
          cluster.record().tasks.map(({ id }) => id),
        );
      }
    };
    passAlive(taskStallMs - tickGapMaxMs);
    cluster.tell({
      kind: "task-progress",
      ...cluster.from(cluster.task("encode")),
      done: 1,
      total: 2,
    });
    passAlive(taskStallMs - tickGapMaxMs);
    expect(cluster.task("encode").id).toBe("e-2");
    cluster.pass(tickGapMaxMs);
    expect(cluster.did("abort-task").map(({ taskId }) => taskId)).toEqual(["e-2"]);
    expect(cluster.record().retries.infrastructure).toBe(1);
  });

  it("leaves out members that do not answer, however alive their nodes are", () => {
    const cluster = new ACluster({ stepStallMs: 4_000 });
    cluster.join("a");
    cluster.join("b");
    cluster.untilTune();
    cluster.ready("a", 0);
    cluster.pass(3_999);
    expect(cluster.did("send-quorum")).toEqual([]);
    cluster.pass(1);
    expect(cluster.did("abort-task").map(({ nodeId }) => nodeId)).toEqual(["b"]);
    expect(cluster.did("send-quorum")[0]?.quorum.members.map(({ nodeId }) => nodeId)).toEqual([
      "a",
    ]);
  });
});

describe("endStalls of a step", () => {
  it("blames no member while the store is asked for the commit", () => {
    const cluster = new ACluster({ stepStallMs: 4_000 });
    cluster.join("a");
    cluster.untilTune();
    cluster.ready("a", 0);
    cluster.reduced("a", 0);
    cluster.pass(9_000);
    expect(cluster.record().retries.infrastructure).toBe(0);
    cluster.written(0);
    expect(cluster.did("send-commit").map(({ nodeId }) => nodeId)).toEqual(["a"]);
  });
});

describe("onGone", () => {
  const gone = (address: string) => ({ kind: "node-gone", nodeId: "a", address }) as const;

  it("gives the work of a node that is gone to another, before its lease has run out", () => {
    const cluster = encoding();
    cluster.join("a", { address: "10.0.0.7:1" });
    cluster.join("b");
    cluster.tell(gone("10.0.0.7"));
    expect([...cluster.state.nodes.keys()]).toEqual(["b"]);
    expect(cluster.task("encode").nodeId).toBe("b");
    expect(cluster.last.reason).toContain("node a at 10.0.0.7 is gone");
  });

  it("keeps a node that has joined from another address", () => {
    const cluster = encoding();
    cluster.join("a", { address: "10.0.0.71:1" });
    expect(cluster.tell(gone("10.0.0.7")).refusal?.reason).toBe("node-unknown");
    expect(cluster.state.nodes.has("a")).toBe(true);
  });
});

describe("onDrain", () => {
  it("gives a draining node no more work, and knows no strangers", () => {
    const cluster = encoding();
    cluster.tell({ kind: "drain", nodeId: "a" });
    cluster.finish("encode");
    expect(cluster.record().tasks).toEqual([]);
    expect(cluster.tell({ kind: "drain", nodeId: "z" }).refusal?.reason).toBe("node-unknown");
  });
});
