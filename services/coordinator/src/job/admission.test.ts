import { describe, expect, it } from "vitest";
import { ACluster } from "./testing/a-cluster.js";
import { aSpec } from "./testing/an-edit.js";

describe("onSubmitted", () => {
  it("stores an edit before anything is done for it", () => {
    const cluster = new ACluster();
    cluster.submit();
    expect(cluster.last.effects.map(({ kind }) => kind)).toEqual(["write-record", "run-here"]);
    expect(cluster.record()).toMatchObject({ revision: 1, epoch: 1, state: "running" });
    expect(cluster.record().reason).not.toBe("");
  });

  it("gives the same request the same edit, and changes nothing", () => {
    const cluster = new ACluster();
    cluster.submit();
    const { edits } = cluster.state;
    expect(cluster.submit()).toMatchObject({ refusal: null, effects: [] });
    expect(cluster.state.edits).toBe(edits);
  });

  it("takes as many prompts as allowed and no more, and at least one", () => {
    const cluster = new ACluster({ promptsMax: 2 });
    expect(cluster.submit("two", { prompts: ["p", "q"] }).refusal).toBeNull();
    expect(cluster.submit("three", { prompts: ["p", "q", "r"] }).refusal?.reason).toBe(
      "bad-option",
    );
    expect(cluster.submit("none", { prompts: [] }).refusal?.reason).toBe("bad-option");
  });

  it("holds a tenant, and all of them, to their number of open edits", () => {
    const cluster = new ACluster({ openEditsPerTenantMax: 1, openEditsMax: 2 });
    expect(cluster.submit("1", {}, "t").refusal).toBeNull();
    expect(cluster.submit("2", {}, "t").refusal?.reason).toBe("queue-full");
    expect(cluster.submit("3", {}, "u").refusal).toBeNull();
    expect(cluster.submit("4", {}, "v").refusal?.reason).toBe("queue-full");
    cluster.tell({ kind: "cancel", editId: "1", tenant: "t" });
    expect(cluster.submit("5", {}, "v").refusal).toBeNull();
  });

  it("refuses deadlines that are past", () => {
    const cluster = new ACluster();
    const { nowMs } = cluster;
    expect(cluster.submit("1", { finishByMs: nowMs }).refusal?.reason).toBe("deadline");
    expect(cluster.submit("2", { finishByMs: nowMs + 1 }).refusal).toBeNull();
  });
});

describe("onRetry", () => {
  const retry = (cluster: ACluster, requestId = "again", tenant = "t") =>
    cluster.tell({ kind: "retry", editId: "e", tenant, requestId });

  it("begins a canceled edit again with what it has, once for each request", () => {
    const cluster = new ACluster();
    cluster.submit();
    cluster.finish("ingest");
    cluster.tell({ kind: "cancel", editId: "e", tenant: "t" });
    expect(retry(cluster).refusal).toBeNull();
    expect(cluster.record()).toMatchObject({
      attempt: 2,
      state: "queued",
      artifacts: { clip: "ingest" },
    });
    cluster.tell({ kind: "cancel", editId: "e", tenant: "t" });
    retry(cluster);
    expect(cluster.record()).toMatchObject({ attempt: 2, state: "canceled" });
    retry(cluster, "another");
    expect(cluster.record().attempt).toBe(3);
  });

  it("refuses an edit that runs, and hides those of other tenants", () => {
    const cluster = new ACluster();
    cluster.submit("e", aSpec());
    expect(retry(cluster).refusal?.reason).toBe("edit-state");
    expect(retry(cluster, "r", "stranger").refusal).toMatchObject({
      code: "NOT_FOUND",
      message: "edit e: there is none",
    });
  });
});
