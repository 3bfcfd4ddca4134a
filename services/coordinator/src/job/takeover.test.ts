import { describe, expect, it } from "vitest";
import { standby } from "./cluster-state.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

/** What the store gives the next coordinator. */
const takeOver = (cluster: ACluster, log: { committedSteps: number } = { committedSteps: 0 }) => {
  const { committedSteps } = log;
  const commits = Array.from({ length: committedSteps }, (_, step) => ({
    ...{ step, gradientHash: `g${step}`, attempts: step + 1 },
  }));
  const logs = new Map([
    ["e", { committedSteps, attempts: committedSteps, weightsHash: "", commits }],
  ]);
  const next = new ACluster();
  next.state = standby("next");
  const records = [...cluster.state.edits.values()].map(({ record }) => ({ ...record, epoch: 2 }));
  next.tell({ kind: "coordinator-took-over", epoch: 2, records, logs });
  return next;
};

describe("onTookOver", () => {
  it("keeps what is stored, and begins anew what was under way", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.submit();
    cluster.finish("ingest");
    const old = cluster.task("encode");
    const next = takeOver(cluster);
    expect(next.record()).toMatchObject({
      tasks: [],
      recoveries: 1,
      artifacts: { clip: "ingest" },
    });
    next.join("a");
    expect(next.task("encode")).toMatchObject({ epoch: 2, id: "e-3" });
    const result = { artifactId: "late", files: [] };
    expect(
      next.tell({ kind: "task-finished", ...cluster.from(old), result }).refusal,
    ).not.toBeNull();
    expect(next.record().retries.infrastructure).toBe(0);
  });

  it("refuses an epoch that is not higher", () => {
    const cluster = new ACluster();
    cluster.submit();
    const again = {
      kind: "coordinator-took-over",
      epoch: 1,
      records: [],
      logs: new Map(),
    } as const;
    expect(cluster.tell(again).refusal?.reason).toBe("epoch-stale");
    expect(cluster.record().id).toBe("e");
  });

  it("asks members what they hold, and computes only the missing step again", () => {
    const cluster = new ACluster();
    for (const nodeId of ["a", "b"]) cluster.join(nodeId);
    cluster.untilTune({ settings: { ...someSettings, steps: 3 } });
    const next = takeOver(cluster, { committedSteps: 2 });
    next.join("a");
    expect(next.did("send-quorum")[0]?.quorum).toMatchObject({
      committedSteps: 2,
      members: [{ state: { kind: "own" } }],
    });
    next.ready("a", 1);
    expect(next.did("send-quorum")[0]?.quorum).toMatchObject({ committedSteps: 1, attempts: 1 });
    next.ready("a", 1);
    next.reduced("a", 1, { hash: "g1" });
    expect(next.did("write-commit")).toEqual([]);
    expect(next.did("send-commit").map(({ step }) => step)).toEqual([1]);
    next.reduced("a", 2);
    expect(next.did("write-commit")[0]?.commit).toMatchObject({ step: 2, epoch: 2, attempts: 3 });
  });

  it("keeps the hash of the weights of a tuning that is over", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.untilTune({ settings: { ...someSettings, draws: 1, steps: 1 } });
    cluster.ready("a", 0);
    cluster.reduced("a", 0);
    cluster.written(0);
    cluster.applied("a", 0, "w");
    cluster.finish("tune", "delta", "a");
    const next = takeOver(cluster, { committedSteps: 1 });
    expect(next.record().tuning.weightsHash).toBe("w");
    next.join("a");
    expect(next.record().tuning.weightsHash).toBe("w");
  });

  it("does not go on from a step that differs from the log", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.untilTune({ settings: { ...someSettings, draws: 1 } });
    const next = takeOver(cluster, { committedSteps: 1 });
    next.join("a");
    next.ready("a", 0);
    for (let time = 0; time < 3; time += 1) {
      expect(next.record().state).toBe("running");
      next.reduced("a", 0, { hash: "other" });
      expect(next.did("send-commit")).toEqual([]);
    }
    expect(next.record().failure?.reason).toBe("numerics-disagree");
  });
});

describe("onRecordFound", () => {
  it("goes on with an edit that an earlier coordinator accepted too late to be seen", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.submit();
    cluster.finish("ingest");
    const next = new ACluster();
    next.join("a");
    const record = { ...cluster.record(), epoch: 1 };
    const log = { committedSteps: 0, attempts: 0, weightsHash: "", commits: [] };
    next.tell({ kind: "record-found", record, log });
    expect(next.record()).toMatchObject({ recoveries: 1, revision: record.revision + 1 });
    expect(next.task("encode")).toMatchObject({ id: "e-3", nodeId: "a" });
  });

  it("takes the place of an edit that could not be created because it was there", () => {
    const cluster = new ACluster();
    cluster.submit();
    cluster.tell({ kind: "cancel", editId: "e", tenant: "t" });
    const next = new ACluster();
    next.submit();
    const log = { committedSteps: 0, attempts: 0, weightsHash: "", commits: [] };
    next.tell({ kind: "record-found", record: cluster.record(), log });
    expect(next.record().state).toBe("canceled");
    expect(next.last.effects).toEqual([]);
  });
});

describe("onStoreFull", () => {
  it("pauses with a reason, begins nothing, and goes on when there is room", () => {
    const cluster = new ACluster();
    cluster.submit();
    cluster.tell({ kind: "store-full", what: "a record" });
    expect(cluster.record()).toMatchObject({
      state: "paused",
      reason: expect.stringContaining("room"),
    });
    cluster.join("a");
    cluster.finish("ingest");
    expect(cluster.did("start-task")).toEqual([]);
    cluster.tell({ kind: "store-has-room" });
    expect(cluster.record().state).toBe("running");
    expect(cluster.task("encode").nodeId).toBe("a");
  });
});
