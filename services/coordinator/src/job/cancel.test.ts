import { describe, expect, it } from "vitest";
import { defaultOptions } from "./cluster-state.js";
import { ACluster } from "./testing/a-cluster.js";

const cancel = (cluster: ACluster, tenant = "t") =>
  cluster.tell({ kind: "cancel", editId: "e", tenant });

describe("onCancel", () => {
  it("cancels at once what no node works for", () => {
    const cluster = new ACluster();
    cluster.submit();
    cancel(cluster);
    expect(cluster.record()).toMatchObject({ state: "canceled", tasks: [], finishedMs: 1_000 });
    expect(cluster.did("abort-task")).toHaveLength(1);
  });

  it("is canceling until the node has ended its task, and takes no result meanwhile", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.submit();
    cluster.finish("ingest");
    const task = cluster.task("encode");
    cancel(cluster);
    expect(cluster.did("abort-task").map(({ taskId }) => taskId)).toEqual([task.id]);
    expect(cluster.record().state).toBe("canceling");
    const result = { artifactId: "late", files: [] };
    cluster.tell({ kind: "task-finished", ...cluster.from(task), result });
    expect(cluster.record()).toMatchObject({ state: "canceled", artifacts: { moments: [] } });
  });

  it("is canceled with the lease of a node that says nothing", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.submit();
    cluster.finish("ingest");
    cancel(cluster);
    cluster.pass(defaultOptions.leaseDurationMs - 1);
    expect(cluster.record().state).toBe("canceling");
    cluster.pass(1);
    expect(cluster.record().state).toBe("canceled");
  });

  it("changes nothing the second time, and nothing of another tenant's", () => {
    const cluster = new ACluster();
    cluster.submit();
    expect(cancel(cluster, "stranger").refusal?.reason).toBe("edit-unknown");
    cancel(cluster);
    expect(cancel(cluster)).toMatchObject({ refusal: null, effects: [] });
  });
});
