import { describe, expect, it } from "vitest";
import { defaultOptions } from "./cluster-state.js";
import type { Failure } from "./edit-record.js";
import { ACluster } from "./testing/a-cluster.js";

const { infrastructureRetriesMax, nodeRestMs } = defaultOptions;
const full: Failure = { code: "RESOURCE_EXHAUSTED", reason: "disk-full", message: "no space left" };
const gone: Failure = { code: "UNAVAILABLE", reason: "unreachable", message: "gone" };

function encoding(nodeIds: readonly string[]): ACluster {
  const cluster = new ACluster();
  for (const nodeId of nodeIds) cluster.join(nodeId);
  cluster.submit();
  cluster.finish("ingest");
  return cluster;
}

function fail(cluster: ACluster, failure: Failure): void {
  cluster.tell({ kind: "task-failed", ...cluster.from(cluster.task("encode")), failure });
}

/** Keeps all nodes in their places meanwhile. */
function rest(cluster: ACluster): void {
  for (let passedMs = 0; passedMs < nodeRestMs; passedMs += nodeRestMs / 5) {
    cluster.pass(nodeRestMs / 5);
    for (const { info, tasks } of cluster.state.nodes.values()) {
      const taskIds = tasks.map(({ taskId }) => taskId);
      cluster.heartbeat(info.nodeId, taskIds);
    }
  }
}

describe("loseTask", () => {
  it("pauses an edit whose only node has no room, and goes on after a rest", () => {
    const cluster = encoding(["a"]);
    fail(cluster, full);
    expect(cluster.record().state).toBe("paused");
    expect(cluster.record().reason).toContain("waits for room");
    rest(cluster);
    expect(cluster.record().state).toBe("running");
    expect(cluster.task("encode").nodeId).toBe("a");
  });

  it("goes on at once where another node has room", () => {
    const cluster = encoding(["a", "b"]);
    fail(cluster, full);
    expect(cluster.record().state).toBe("running");
    expect(cluster.task("encode").nodeId).toBe("b");
  });

  it("blames no node where the coordinator's own disk is full", () => {
    const cluster = encoding(["a"]);
    cluster.tell({ kind: "store-full", what: "artifacts" });
    fail(cluster, full);
    expect(cluster.record().state).toBe("paused");
    cluster.tell({ kind: "store-has-room" });
    expect(cluster.task("encode").nodeId).toBe("a");
  });
});

describe("countFailure", () => {
  it("ends an edit that fails again and again without going on", () => {
    const cluster = encoding(["a"]);
    for (let tries = 0; tries < infrastructureRetriesMax; tries += 1) {
      fail(cluster, gone);
      expect(cluster.record().state).toBe("running");
      rest(cluster);
    }
    fail(cluster, gone);
    expect(cluster.record().state).toBe("failed");
  });
});

describe("noteProgress", () => {
  it("writes nothing of an edit that ended while a commit was on its way", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.untilTune();
    const origin = cluster.from(cluster.task("tune"));
    cluster.tell({ kind: "task-failed", ...origin, failure: gone });
    rest(cluster);
    cluster.ready("a", 0);
    cluster.reduced("a", 0);
    const tune = cluster.from(cluster.task("tune"));
    cluster.tell({ kind: "cancel", editId: "e", tenant: "t" });
    cluster.tell({ kind: "task-failed", ...tune, failure: gone });
    expect(cluster.record().state).toBe("canceled");
    cluster.written(0);
    expect(cluster.did("write-record")).toEqual([]);
  });

  it("counts failures anew once a step counts", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.untilTune();
    const origin = cluster.from(cluster.task("tune"));
    cluster.tell({ kind: "task-failed", ...origin, failure: gone });
    expect(cluster.record().retries.infrastructure).toBe(1);
    rest(cluster);
    cluster.ready("a", 0);
    cluster.reduced("a", 0);
    expect(cluster.record().retries.infrastructure).toBe(1);
    cluster.written(0);
    expect(cluster.record().retries.infrastructure).toBe(0);
  });
});
