import { describe, expect, it } from "vitest";
import { type PhaseCost, type PlanNode, plannedLayout } from "./planning.js";

// One frame takes 10 ms on a node of rate 1; a byte takes 1 ms over a link of rate 1.
const node = (nodeId: string, speed = 1, link = 1): PlanNode => ({
  nodeId,
  rates: { flopsPerSecond: 100 * speed, bytesPerSecond: 1000 * link, roundTripMs: 1 },
});
const cost: PhaseCost = {
  ...{ frames: 4, prompts: 1, iterations: 10, branches: 1, draws: 1, flopsPerFrame: 1 },
  ...{ frameBytes: 0, branchBytes: 0, updateBytes: 0, couplingBytes: 0, couplingWaits: 0 },
};
const two = [node("a"), node("b")];

describe("plannedLayout", () => {
  it("gives whole prompts to nodes, more of them to the faster", () => {
    const plan = plannedLayout(
      { ...cost, prompts: 3 },
      [node("slow"), node("fast", 2)],
      ["prompts"],
    );
    // Fast: 200 ms a prompt; slow: 400 ms. Two on the fast one, one on the slow one.
    expect(plan?.predictedMs).toBe(400);
    expect(plan?.nodeIds).toEqual(["fast", "slow"]);
  });

  it("splits guidance branches while the exchange is cheaper than the pass it saves", () => {
    const guided = { ...cost, branches: 2 };
    // One node: 10 * 80 ms. Two: 10 * (40 + 2 * branchBytes + 1).
    const cheap = plannedLayout({ ...guided, branchBytes: 19 }, two, ["branches", "frames"]);
    expect([cheap?.layout, cheap?.predictedMs]).toEqual(["frames", 400]);
    const forced = plannedLayout({ ...guided, branchBytes: 19 }, two, ["branches"]);
    expect([forced?.layout, forced?.predictedMs]).toEqual(["branches", 790]);
    expect(forced?.reason).toContain("as asked for");
  });

  it("declines a split that is slower, and says what it would have taken", () => {
    const dear = { ...cost, couplingBytes: 21, couplingWaits: 0 };
    const plan = plannedLayout(dear, two, ["frames", "prompts"]);
    expect([plan?.layout, plan?.predictedMs]).toEqual(["one", 400]);
    expect(plan?.reason).toBe("one on 1 in 400 ms; declined: frames on 2 in 410 ms");
    const fair = plannedLayout({ ...dear, couplingBytes: 19 }, two, ["frames", "prompts"]);
    expect(fair?.layout).toBe("frames");
  });

  it("gives each node of a quorum its block of draws, and counts both exchanges", () => {
    const tuning = { ...cost, draws: 4, updateBytes: 30 };
    // Two nodes: 10 * (2 draws * 40 + 2 * 1/2 * 30 + 4) = 1140, against 1600 on one.
    const plan = plannedLayout(tuning, two, ["draws", "prompts"]);
    expect([plan?.layout, plan?.predictedMs]).toEqual(["draws", 1140]);
    const slow = plannedLayout({ ...tuning, updateBytes: 77 }, two, ["draws", "prompts"]);
    expect(slow?.layout).toBe("one");
  });

  it("splits VAE frames evenly, and no further than there are frames", () => {
    const nodes = ["a", "b", "c", "d", "e"].map((id) => node(id));
    const plan = plannedLayout({ ...cost, iterations: 1 }, nodes, ["vae-frames", "prompts"]);
    expect([plan?.nodeIds.length, plan?.predictedMs]).toEqual([4, 11]);
  });

  it("takes one node while rates are not measured, and nothing without nodes", () => {
    const unknown = { ...node("a"), rates: { ...node("a").rates, flopsPerSecond: 0 } };
    expect(plannedLayout({ ...cost, prompts: 2 }, [unknown, node("b")], ["prompts"])).toMatchObject(
      {
        layout: "one",
        predictedMs: 0,
      },
    );
    expect(plannedLayout(cost, [], ["prompts"])).toBeNull();
  });

  it("never picks a layout that it predicts slower than one node, and always says why", () => {
    for (const speed of [0.1, 1, 10]) {
      for (const link of [0.01, 1, 100]) {
        for (const prompts of [1, 2, 5]) {
          const heavy = { ...cost, prompts, branches: 2, branchBytes: 9, couplingBytes: 90 };
          const nodes = [node("a", speed, link), node("b", speed, link), node("c", 1, link)];
          const plan = plannedLayout(heavy, nodes, ["prompts", "branches", "frames"]);
          const one = plan?.weighed.find(({ layout }) => layout === "one");
          expect(plan?.predictedMs).toBeLessThanOrEqual(one?.predictedMs ?? 0);
          expect(plan?.reason).not.toBe("");
        }
      }
    }
  });
});
