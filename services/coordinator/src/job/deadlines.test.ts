import { describe, expect, it } from "vitest";
import { ACluster } from "./testing/a-cluster.js";

describe("expireDeadlines", () => {
  it("expires what has not begun in time, and leaves alone what has", () => {
    const cluster = new ACluster({ coordinatorTasksMax: 1 });
    cluster.submit("begun", { startByMs: 2_000 });
    cluster.submit("waits", { startByMs: 2_000 });
    cluster.pass(999);
    expect(cluster.record("waits").state).toBe("queued");
    cluster.pass(1);
    expect(cluster.record("waits").state).toBe("expired");
    expect(cluster.record("begun").state).toBe("running");
  });

  it("fails what is not finished in time, and stops its tasks", () => {
    const cluster = new ACluster();
    cluster.submit("e", { finishByMs: 2_000 });
    cluster.pass(999);
    expect(cluster.record().state).toBe("running");
    cluster.pass(1);
    expect(cluster.record()).toMatchObject({ state: "failed", failure: { reason: "deadline" } });
    expect(cluster.did("abort-task")).toHaveLength(1);
    cluster.pass(1_000);
    expect(cluster.last.effects).toEqual([]);
  });
});
