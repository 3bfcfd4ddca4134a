import { describe, expect, it } from "vitest";
import { oddOnesOut } from "./commits.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

/** Nodes in step 0 of quorum 1. */
function tuning(nodeIds: readonly string[], { draws = nodeIds.length, every = 0, steps = 3 } = {}) {
  const cluster = new ACluster();
  for (const nodeId of nodeIds) cluster.join(nodeId);
  cluster.untilTune({ settings: { ...someSettings, draws, steps }, snapshotEverySteps: every });
  for (const nodeId of nodeIds) cluster.ready(nodeId, 0);
  return cluster;
}

/** All reduce a step alike, and its record is stored. */
function commit(cluster: ACluster, nodeIds: readonly string[], step: number) {
  for (const nodeId of nodeIds) cluster.reduced(nodeId, step, { hash: `g${step}` });
  return cluster.written(step);
}

describe("oddOnesOut", () => {
  it("follows the majority, and nobody where there is none", () => {
    const judged = (hashes: string) =>
      oddOnesOut(hashes.split("").map((hash, index) => ({ nodeId: `${index}`, hash })));
    expect(judged("x")).toEqual({ agreed: "x", odd: [] });
    expect(judged("xxy")).toEqual({ agreed: "x", odd: ["2"] });
    expect(judged("xy")).toEqual({ agreed: null, odd: ["0", "1"] });
    expect(judged("xxyy").agreed).toBeNull();
  });
});

describe("onReduced", () => {
  it("asks for a commit only when all members have answered, and sends it only when stored", () => {
    const cluster = tuning(["a", "b"]);
    cluster.reduced("a", 0);
    expect(cluster.last.effects).toEqual([]);
    cluster.reduced("b", 0);
    expect(cluster.last.effects.map(({ kind }) => kind)).toEqual(["write-commit"]);
    expect(cluster.did("write-commit")[0]?.commit).toMatchObject({
      ...{ step: 0, quorumId: 1, nodeIds: ["a", "b"], gradientHash: "g", attempts: 1, loss: 1 },
    });
    cluster.written(0);
    expect(cluster.did("send-commit").map(({ nodeId, step }) => [nodeId, step])).toEqual([
      ["a", 0],
      ["b", 0],
    ]);
    expect(cluster.tune().committedSteps).toBe(1);
  });

  it("refuses what is of another quorum, another step or comes twice, and changes nothing", () => {
    const cluster = tuning(["a", "b"]);
    const { state } = cluster;
    expect(cluster.reduced("a", 1).refusal?.reason).toBe("step-stale");
    expect(cluster.reduced("a", 0, { quorumId: 7 }).refusal?.reason).toBe("quorum-stale");
    expect(cluster.state.edits).toBe(state.edits);
    cluster.reduced("a", 0);
    expect(cluster.reduced("a", 0).refusal?.reason).toBe("step-stale");
    cluster.reduced("b", 0);
    expect(cluster.reduced("b", 0).refusal?.reason).toBe("step-stale");
    expect(cluster.state.refused.get("step-stale")).toBe(3);
  });

  it("quarantines the odd one out, and the rest do the step again with the same draws", () => {
    const cluster = tuning(["a", "b", "c"]);
    cluster.reduced("a", 0);
    cluster.reduced("b", 0, { hash: "other" });
    cluster.reduced("c", 0);
    expect(cluster.state.nodes.get("b")?.state).toBe("quarantined");
    const [sent] = cluster.did("send-quorum");
    expect(sent?.quorum).toMatchObject({ quorumId: 2, committedSteps: 0, attempts: 0 });
    expect(sent?.quorum.members.map(({ nodeId }) => nodeId)).toEqual(["a", "c"]);
    expect(cluster.did("abort-task").map(({ nodeId }) => nodeId)).toEqual(["b"]);
  });

  it("does the step again where two differ, and fails the edit when they keep on", () => {
    const cluster = tuning(["a", "b"]);
    for (let time = 1; time <= 3; time += 1) {
      cluster.reduced("a", 0);
      cluster.reduced("b", 0, { hash: "other" });
      expect(cluster.record().state).toBe(time < 3 ? "running" : "failed");
    }
    expect(cluster.record().failure?.reason).toBe("numerics-disagree");
  });

  it("counts disagreements anew after a step that counts", () => {
    const cluster = tuning(["a", "b"]);
    for (const step of [0, 1]) {
      for (let time = 0; time < 2; time += 1) {
        cluster.reduced("a", cluster.tune().atStep);
        cluster.reduced("b", cluster.tune().atStep, { hash: "other" });
        for (const nodeId of ["a", "b"]) cluster.ready(nodeId, cluster.tune().atStep);
      }
      while (cluster.tune().atStep < step) commit(cluster, ["a", "b"], cluster.tune().atStep);
      for (const nodeId of ["a", "b"]) cluster.reduced(nodeId, step, { hash: `g${step}` });
      cluster.written(step);
    }
    expect(cluster.record().state).toBe("running");
    expect(cluster.tune().committedSteps).toBe(2);
  });

  it("takes new draws when a gradient is not finite, and fails at the third in a row", () => {
    const cluster = tuning(["a"], { draws: 1 });
    cluster.reduced("a", 0, { isFinite: false });
    expect(cluster.did("send-quorum")[0]?.quorum).toMatchObject({ committedSteps: 0, attempts: 1 });
    cluster.reduced("a", 0, { isFinite: false });
    expect(cluster.record().state).toBe("running");
    cluster.reduced("a", 0, { isFinite: false });
    expect(cluster.record()).toMatchObject({
      state: "failed",
      failure: { reason: "loss-not-finite" },
    });
  });

  it("begins anew with all members at the first one that is not finite", () => {
    const cluster = tuning(["a", "b"]);
    const { quorumId } = cluster.record().tuning;
    cluster.reduced("b", 0, { isFinite: false });
    const sent = cluster.did("send-quorum");
    expect(sent.map(({ nodeId, quorum }) => [nodeId, quorum.quorumId, quorum.attempts])).toEqual([
      ...[
        ["a", quorumId + 1, 1],
        ["b", quorumId + 1, 1],
      ],
    ]);
    expect(cluster.reduced("a", 0, { quorumId }).refusal?.reason).toBe("quorum-stale");
    expect(cluster.reduced("b", 0, { isFinite: false, quorumId }).refusal?.reason).toBe(
      "quorum-stale",
    );
    expect(cluster.tune().nonFiniteInRow).toBe(1);
    expect(cluster.record().retries).toMatchObject({ infrastructure: 0 });
  });

  it("counts non-finite tries anew after a step, and tells the log how often it drew", () => {
    const cluster = tuning(["a"], { draws: 1 });
    for (const step of [0, 1]) {
      cluster.reduced("a", step, { isFinite: false });
      cluster.reduced("a", step, { isFinite: false });
      cluster.reduced("a", step);
      expect(cluster.did("write-commit")[0]?.commit.attempts).toBe(3 * (step + 1));
      cluster.written(step);
    }
    expect(cluster.record().state).toBe("running");
  });
});

describe("formQuorum", () => {
  it("counts non-finite tries anew when it goes back to an earlier step", () => {
    const cluster = tuning(["a"], { draws: 1 });
    commit(cluster, ["a"], 0);
    cluster.reduced("a", 1, { isFinite: false });
    cluster.reduced("a", 1, { isFinite: false });
    cluster.join("a", { incarnation: "a2" });
    expect(cluster.did("send-quorum")[0]?.quorum).toMatchObject({ committedSteps: 0, attempts: 0 });
    cluster.ready("a", 0);
    cluster.reduced("a", 0, { isFinite: false });
    expect(cluster.record().state).toBe("running");
    expect(cluster.did("send-quorum")[0]?.quorum.attempts).toBe(1);
  });
});

describe("onCommitWritten", () => {
  it("refuses one that nobody waits for", () => {
    const cluster = tuning(["a", "b"]);
    expect(cluster.written(0).refusal?.reason).toBe("step-stale");
    commit(cluster, ["a", "b"], 0);
    expect(cluster.written(0).refusal?.reason).toBe("step-stale");
    expect(cluster.tune().committedSteps).toBe(1);
  });

  it("refuses one of another quorum, and one of another epoch", () => {
    const cluster = tuning(["a"], { draws: 1 });
    cluster.reduced("a", 0);
    const event = { kind: "commit-written", editId: "e", epoch: 1, quorumId: 1, step: 0 } as const;
    expect(cluster.tell({ ...event, quorumId: 2 }).refusal?.reason).toBe("step-stale");
    expect(cluster.tell({ ...event, epoch: 2 }).refusal?.reason).toBe("step-stale");
    expect(cluster.tune().committedSteps).toBe(0);
    expect(cluster.tell(event).refusal).toBeNull();
  });

  it("takes in no spare node after the last step", () => {
    const cluster = tuning(["a"], { draws: 2, steps: 1 });
    cluster.join("b");
    commit(cluster, ["a"], 0);
    expect(cluster.did("send-quorum")).toEqual([]);
    cluster.applied("a", 0, "w");
    expect(cluster.did("finish-tuning").map(({ nodeId }) => nodeId)).toEqual(["a"]);
  });

  it("keeps a step whose member was lost while its record was written", () => {
    const cluster = tuning(["a", "b"]);
    cluster.reduced("a", 0);
    cluster.reduced("b", 0);
    cluster.join("b", { incarnation: "b2" });
    expect(cluster.did("send-quorum")).toEqual([]);
    cluster.written(0);
    expect(cluster.did("send-commit").map(({ nodeId }) => nodeId)).toEqual(["a"]);
    expect(cluster.did("send-quorum")[0]?.quorum).toMatchObject({ quorumId: 2, committedSteps: 1 });
  });

  it("lets a draining node go after the step", () => {
    const cluster = tuning(["a", "b"]);
    cluster.tell({ kind: "drain", nodeId: "b" });
    expect(cluster.did("send-quorum")).toEqual([]);
    commit(cluster, ["a", "b"], 0);
    expect(cluster.did("abort-task").map(({ nodeId }) => nodeId)).toEqual(["b"]);
    expect(cluster.did("send-quorum")[0]?.quorum.members.map(({ nodeId }) => nodeId)).toEqual([
      "a",
    ]);
  });

  it("lets the only member hand its state over when it drains, so that no step is lost", () => {
    const cluster = tuning(["a"], { draws: 2 });
    cluster.join("b");
    cluster.tell({ kind: "drain", nodeId: "a" });
    commit(cluster, ["a"], 0);
    expect(cluster.did("abort-task")).toEqual([]);
    // A newcomer would ask the leaving one for its state, and find it gone.
    expect(cluster.did("send-quorum")).toEqual([]);
    const origin = cluster.from(cluster.task("tune", "a"));
    cluster.tell({ kind: "snapshot-stored", ...origin, committedSteps: 1, artifactId: "s1" });
    const failure = { code: "UNAVAILABLE", reason: "node-draining", message: "ended here" };
    cluster.tell({ kind: "task-failed", ...origin, failure });
    const { quorum } = cluster.did("send-quorum")[0] ?? {};
    expect(quorum).toMatchObject({
      committedSteps: 1,
      members: [{ nodeId: "b", state: { kind: "snapshot", artifactId: "s1" } }],
    });
  });

  it("keeps all members that drain, but for those in quarantine", () => {
    const cluster = tuning(["a", "b", "c"]);
    for (const nodeId of ["a", "b", "c"]) cluster.tell({ kind: "drain", nodeId });
    commit(cluster, ["a", "b", "c"], 0);
    expect(cluster.tune().members.map(({ nodeId }) => nodeId)).toEqual(["a", "b", "c"]);
    const wrong = cluster.state.nodes.get("b");
    if (wrong === undefined) throw new Error("b is not there");
    const nodes = new Map(cluster.state.nodes).set("b", { ...wrong, state: "quarantined" });
    cluster.state = { ...cluster.state, nodes };
    commit(cluster, ["a", "b", "c"], 1);
    expect(cluster.tune().members.map(({ nodeId }) => nodeId)).toEqual(["a", "c"]);
  });

  it("asks for a snapshot by the interval, and for the delta at the end", () => {
    const cluster = tuning(["a", "b"], { every: 2 });
    commit(cluster, ["a", "b"], 0);
    expect(cluster.did("take-snapshot")).toEqual([]);
    commit(cluster, ["a", "b"], 1);
    expect(cluster.did("take-snapshot").map(({ nodeId }) => nodeId)).toEqual(["a"]);
    commit(cluster, ["a", "b"], 2);
    cluster.applied("a", 2, "w");
    expect(cluster.did("finish-tuning")).toEqual([]);
    cluster.applied("b", 2, "w");
    expect(cluster.did("finish-tuning").map(({ nodeId }) => nodeId)).toEqual(["a"]);
    cluster.finish("tune", "delta", "a");
    expect(cluster.record().artifacts.delta).toBe("delta");
    expect(cluster.record().tuning.weightsHash).toBe("w");
    expect(cluster.did("abort-task").map(({ nodeId }) => nodeId)).toEqual(["b"]);
  });

  it("does not ask for another snapshot while one is under way, but the next quorum does", () => {
    const cluster = tuning(["a"], { every: 2, steps: 9, draws: 2 });
    const asked: number[] = [];
    for (let step = 0; step < 6; step += 1) {
      commit(cluster, ["a"], step);
      if (cluster.did("take-snapshot").length > 0) asked.push(step + 1);
    }
    expect(asked).toEqual([2, 4, 6]);
    cluster.join("b");
    commit(cluster, ["a"], 6);
    for (const nodeId of ["a", "b"]) cluster.ready(nodeId, 7);
    commit(cluster, ["a", "b"], 7);
    expect(cluster.did("take-snapshot")).toHaveLength(1);
  });

  it("does not believe a delta that it did not ask for", () => {
    const cluster = tuning(["a", "b"]);
    cluster.finish("tune", "early", "b");
    expect(cluster.record().artifacts.delta).toBe("");
    expect(cluster.record().retries.infrastructure).toBe(1);
  });
});

describe("onReady", () => {
  it("leaves out who could not get the state, once, and goes on", () => {
    const cluster = tuning(["a"], { draws: 2 });
    cluster.join("b");
    commit(cluster, ["a"], 0);
    cluster.ready("a", 1);
    cluster.ready("b", 0);
    expect(cluster.did("send-quorum")[0]?.quorum.members.map(({ nodeId }) => nodeId)).toEqual([
      "a",
    ]);
    expect(cluster.record().retries.infrastructure).toBe(1);
  });

  it("quarantines who holds more steps than the log has", () => {
    const cluster = new ACluster();
    for (const nodeId of ["a", "b"]) cluster.join(nodeId);
    cluster.untilTune();
    cluster.ready("a", 1);
    expect(cluster.state.nodes.get("a")?.state).toBe("quarantined");
    expect(cluster.did("send-quorum")[0]?.quorum.members.map(({ nodeId }) => nodeId)).toEqual([
      "b",
    ]);
  });
});

describe("onApplied", () => {
  it("compares the vectors of all members, and quarantines who differs", () => {
    const cluster = tuning(["a", "b", "c"]);
    commit(cluster, ["a", "b", "c"], 0);
    cluster.applied("a", 0, "w");
    cluster.applied("b", 0, "w");
    cluster.applied("c", 0, "v");
    expect(cluster.state.nodes.get("c")?.state).toBe("quarantined");
    expect(cluster.tune().weights).toEqual({ step: 1, hash: "w" });
    expect(cluster.applied("a", 7).refusal?.reason).toBe("step-stale");
  });
});

describe("onStepFailed", () => {
  const failure = { code: "UNAVAILABLE", reason: "peer-silent", message: "no answer" };
  const failed = (cluster: ACluster, nodeId: string, suspectNodeId: string) => {
    const origin = cluster.from(cluster.task("tune", nodeId));
    const { quorumId } = cluster.record().tuning;
    cluster.tell({ kind: "step-failed", ...origin, quorumId, step: 0, suspectNodeId, failure });
    return cluster.did("send-quorum")[0]?.quorum.members.map((member) => member.nodeId);
  };

  it("leaves out the suspect, or who suspects the first member", () => {
    expect(failed(tuning(["a", "b", "c"]), "a", "b")).toEqual(["a", "c"]);
    expect(failed(tuning(["a", "b", "c"]), "b", "a")).toEqual(["a", "c"]);
    expect(failed(tuning(["a", "b", "c"]), "c", "stranger")).toEqual(["a", "b"]);
  });

  it("comes too late when all have answered", () => {
    const cluster = tuning(["a", "b"]);
    cluster.reduced("a", 0);
    cluster.reduced("b", 0);
    expect(failed(cluster, "a", "b")).toBeUndefined();
    expect(cluster.last.refusal?.reason).toBe("step-stale");
  });
});

describe("onSnapshotStored", () => {
  it("keeps a newer snapshot with the tries until it, and refuses one that is not", () => {
    const cluster = tuning(["a"], { draws: 1 });
    cluster.reduced("a", 0, { isFinite: false });
    commit(cluster, ["a"], 0);
    commit(cluster, ["a"], 1);
    const stored = (committedSteps: number) => {
      const origin = cluster.from(cluster.task("tune"));
      return cluster.tell({ kind: "snapshot-stored", ...origin, committedSteps, artifactId: "s" });
    };
    expect(stored(3).refusal?.reason).toBe("step-stale");
    stored(1);
    expect(cluster.record().tuning.snapshot).toMatchObject({ committedSteps: 1, attempts: 2 });
    expect(cluster.tune().commits.map(({ step }) => step)).toEqual([1]);
    expect(stored(1).refusal?.reason).toBe("step-stale");
  });
});
