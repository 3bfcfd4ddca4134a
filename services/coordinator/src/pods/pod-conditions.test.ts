import { describe, expect, it } from "vitest";
import { cordonedPods, joinedOf, joinedType, withJoined } from "./pod-conditions.js";

const joined = joinedOf({ state: "ready", reason: "joined" });

describe("joinedOf", () => {
  it("says True of a node that takes work, whatever happened to it last", () => {
    expect(joined).toEqual({ status: "True", reason: "Joined", message: "it takes work" });
    expect(joinedOf({ state: "ready", reason: "its task failed" })).toEqual(joined);
  });

  it("says False and why of all others", () => {
    const reason = "asked to drain";
    const states = ["draining", "held", "quarantined"] as const;
    expect(states.map((state) => joinedOf({ state, reason }))).toEqual([
      { status: "False", reason: "Draining", message: reason },
      { status: "False", reason: "Held", message: reason },
      { status: "False", reason: "Quarantined", message: reason },
    ]);
    expect(joinedOf(undefined)).toMatchObject({ status: "False", reason: "Lost" });
  });
});

describe("withJoined", () => {
  const ready = { type: "Ready", status: "True" };
  const pod = (...conditions: object[]) => ({
    ...{ metadata: { name: "p" }, status: { conditions: conditions as [] } },
  });
  const own = { type: joinedType, ...joined, lastTransitionTime: "then" };

  it("keeps the conditions of others, and adds its own with the time", () => {
    expect(withJoined(pod(ready), joined, "now")).toEqual([
      ready,
      { ...own, lastTransitionTime: "now" },
    ]);
    expect(withJoined({ metadata: { name: "p" } }, joined, "now")).toHaveLength(1);
  });

  it("changes nothing where it is said already", () => {
    expect(withJoined(pod(own, ready), joined, "now")).toBeUndefined();
  });

  it("keeps the time of a status that stays, and takes a new one where it changes", () => {
    const draining = joinedOf({ state: "draining", reason: "asked" });
    const first = withJoined(pod(ready, own), draining, "now");
    expect(first).toEqual([ready, { type: joinedType, ...draining, lastTransitionTime: "now" }]);
    const lost = joinedOf(undefined);
    expect(withJoined(pod(...(first ?? [])), lost, "later")?.at(-1)).toEqual({
      ...{ type: joinedType, ...lost, lastTransitionTime: "now" },
    });
  });
});

describe("cordonedPods", () => {
  const pods = new Map(
    ["b", "a", "c", "d"].map((name, index) => [
      name,
      { metadata: { name }, spec: { nodeName: ["m1", "m1", "m2", "m3"][index] ?? "" } },
    ]),
  );

  it("are those on machines that take no more, with the machine's name", () => {
    const machines = new Map([
      ["m1", { metadata: { name: "m1" }, spec: { unschedulable: true } }],
      ["m2", { metadata: { name: "m2" }, spec: {} }],
    ]);
    expect(cordonedPods(pods, machines)).toEqual([
      { nodeId: "a", reason: "its machine m1 is cordoned" },
      { nodeId: "b", reason: "its machine m1 is cordoned" },
    ]);
    expect(cordonedPods(new Map([["p", { metadata: { name: "p" } }]]), machines)).toEqual([]);
  });
});
