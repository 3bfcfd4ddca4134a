import { describe, expect, it } from "vitest";
import { attemptsBefore, quorumStart, tuneOf } from "./quorum.js";
import { ACluster } from "./testing/a-cluster.js";

const snapshot = { artifactId: "s", committedSteps: 4, attempts: 6 };
const start = (
  holds: readonly (number | null)[],
  committedSteps: number,
  taken = null as typeof snapshot | null,
) => {
  const members = holds.map((held, rank) => ({ nodeId: "abc".charAt(rank), holds: held }));
  const { step, sources } = quorumStart(members, { committedSteps, snapshot: taken });
  return [step, ...sources.map((one) => (one.kind === "peer" ? `peer ${one.nodeId}` : one.kind))];
};

describe("quorumStart", () => {
  it("begins a tuning from the start tensors", () => {
    expect(start([0, 0], 0)).toEqual([0, "start", "start"]);
  });

  it("brings a joiner up from a member that holds the last step", () => {
    expect(start([0, 5], 5)).toEqual([5, "peer b", "own"]);
    expect(start([0, 5], 5, snapshot)).toEqual([5, "peer b", "own"]);
  });

  it("takes the snapshot when nobody holds more, and a member where one does", () => {
    expect(start([0, 0], 6, snapshot)).toEqual([4, "snapshot", "snapshot"]);
    expect(start([3, 0], 6, snapshot)).toEqual([4, "snapshot", "snapshot"]);
    expect(start([4, 0], 6, snapshot)).toEqual([4, "own", "peer a"]);
    expect(start([5, 0], 6, snapshot)).toEqual([5, "own", "peer a"]);
  });

  it("asks members of an earlier coordinator what they hold, while nobody knows", () => {
    expect(start([null, 0], 5)).toEqual([5, "own", "own"]);
    expect(start([null, 5], 5)).toEqual([5, "own", "own"]);
    expect(start([null], 0)).toEqual([0, "start"]);
  });

  it("never begins beyond the log, nor behind what a member or the snapshot has", () => {
    for (const committedSteps of [4, 5, 6]) {
      for (const left of [null, 0, 3, 4, 5, 6]) {
        for (const right of [null, 0, 3, 4, 5, 6]) {
          if ((left ?? 0) > committedSteps || (right ?? 0) > committedSteps) continue;
          const [step] = start([left, right], committedSteps, snapshot);
          expect(step).toBeLessThanOrEqual(committedSteps);
          expect(step).toBeGreaterThanOrEqual(Math.max(4, left ?? 0, right ?? 0));
        }
      }
    }
  });
});

describe("attemptsBefore", () => {
  it("counts abandoned tries at the end of the log, at the snapshot and between", () => {
    const commits = [
      { step: 4, gradientHash: "g", attempts: 8 },
      { step: 5, gradientHash: "g", attempts: 9 },
    ];
    const tune = { ...tuneOf({ committedSteps: 6, headAttempts: 11, commits }), atStep: -1 };
    expect([0, 4, 5, 6].map((step) => attemptsBefore(step, tune, snapshot))).toEqual([0, 6, 8, 11]);
  });
});

describe("formQuorum", () => {
  it("opens a stream for each member, after the record that names it is written", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.join("b");
    cluster.untilTune();
    const kinds = cluster.last.effects.map(({ kind }) => kind);
    expect(kinds).toEqual(["write-record", "open-tune", "open-tune", "send-quorum", "send-quorum"]);
    const [sent] = cluster.did("send-quorum");
    expect(sent?.quorum).toMatchObject({ quorumId: 1, committedSteps: 0, attempts: 0 });
    expect(sent?.quorum.members.map(({ nodeId, address }) => [nodeId, address])).toEqual([
      ["a", "a:1"],
      ["b", "b:1"],
    ]);
  });

  it("has no more members than a step has draws", () => {
    const cluster = new ACluster();
    for (const nodeId of ["a", "b", "c"]) cluster.join(nodeId);
    cluster.untilTune();
    expect(cluster.did("open-tune")).toHaveLength(2);
  });

  it("takes a spare node in between two steps, and brings it up from a peer", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.untilTune();
    cluster.ready("a", 0);
    cluster.join("b");
    expect(cluster.did("send-quorum")).toEqual([]);
    cluster.reduced("a", 0);
    cluster.written(0);
    expect(cluster.did("send-commit")).toHaveLength(1);
    const members = cluster.did("send-quorum")[0]?.quorum.members;
    expect(members?.map(({ state }) => state)).toEqual([
      { kind: "own" },
      { kind: "peer", nodeId: "a" },
    ]);
  });
});
