import { describe, expect, it } from "vitest";
import type { LayoutName } from "./edit-record.js";
import { plannedLayout } from "./planning.js";
import type { PlanNode, Work } from "./predictions.js";

// A unit takes 40 ms on a node of speed 1; a byte takes 1 ms over a link of rate 1.
const node = (nodeId: string, speed = 1, link = 1): PlanNode => ({
  ...{ nodeId, unitMs: 40 / speed, unitsAtOnce: 1, bytesPerSecond: 1000 * link, roundTripMs: 1 },
});
const work: Work = {
  ...{ prompts: 1, iterations: 10, units: 1, unitBytes: 0, returnBytes: 0, updateBytes: 0 },
  ...{ startBytes: 0, frameSplit: null, mayHoldBack: false },
};
const noSplit = { readyMs: 0, passBytes: 0, haloBytes: 0, siteBytes: 0, passWaits: 0 };
const two = [node("a"), node("b")];
const plan = (of: Partial<Work>, nodes: readonly PlanNode[], ...layouts: LayoutName[]) =>
  plannedLayout({ ...work, ...of }, nodes, { layouts });
const forced = (of: Partial<Work>, nodes: readonly PlanNode[], ...layouts: LayoutName[]) =>
  plannedLayout({ ...work, ...of }, nodes, { layouts, isForced: true });

describe("plannedLayout", () => {
  it("gives whole prompts to nodes, more of them to the faster", () => {
    const chosen = plan({ prompts: 3 }, [node("slow"), node("fast", 2)], "prompts");
    // Fast: 200 ms a prompt; slow: 400 ms. Two on the fast one, one on the slow one.
    expect(chosen?.predictedMs).toBe(400);
    expect(chosen?.nodeIds).toEqual(["fast", "slow"]);
  });

  it("counts on the help of a node that no prompt is left for", () => {
    // A prompt takes 10 * 2 * 40 ms; of the third, b does one branch from the middle on.
    const chosen = plan({ prompts: 3, units: 2 }, two, "prompts");
    expect(chosen?.predictedMs).toBe(800 + 800 * (41 / 80));
    const four = plan({ prompts: 2, units: 2 }, [...two, node("c"), node("d")], "prompts");
    expect([four?.nodeIds.length, four?.predictedMs]).toEqual([4, 410]);
  });

  it("splits guidance branches while the exchange is cheaper than the pass it saves", () => {
    // One node: 10 * 80 ms. Two: 10 * (40 + unitBytes + 1).
    const cheap = plan({ units: 2, unitBytes: 37 }, two, "branches");
    expect([cheap?.layout, cheap?.predictedMs]).toEqual(["branches", 780]);
    expect(cheap?.reason).toBe("branches on a, b in 780 ms; slower: one node (a) in 800 ms");
    const dear = plan({ units: 2, unitBytes: 40 }, two, "branches");
    expect([dear?.layout, dear?.predictedMs]).toEqual(["one", 800]);
    expect(dear?.reason).toBe("one node (a) in 800 ms; declined: branches on a, b in 810 ms");
  });

  it("splits no branches that a node computes at once", () => {
    const both = two.map((each) => ({ ...each, unitsAtOnce: 2 }));
    const chosen = plan({ units: 2 }, both, "branches");
    expect([chosen?.layout, chosen?.predictedMs]).toEqual(["one", 400]);
  });

  it("takes what was asked for, however slow, and says so where it does not fit", () => {
    const slow = forced({ units: 2, unitBytes: 100 }, two, "branches");
    expect([slow?.layout, slow?.predictedMs]).toEqual(["branches", 1410]);
    expect(slow?.reason).toBe("branches on a, b in 1410 ms, as asked for");
    const one = forced({ units: 2 }, [node("a")], "branches");
    expect(one?.reason).toBe("one node (a) in 800 ms, branches was asked for, and does not fit");
    expect(forced({ prompts: 4 }, two)?.reason).toBe("one node (a) in 1600 ms, as asked for");
  });

  it("splits a clip's frames where its exchanges cost less than it saves", () => {
    // On two nodes, 11 bytes of frames before, and a half of half of the 32 for sites.
    const frameSplit = { ...noSplit, frames: 4, haloBytes: 11, siteBytes: 32 };
    const cheap = plan({ frameSplit }, two, "frames");
    expect([cheap?.layout, cheap?.predictedMs]).toEqual(["frames", 390]);
    const dear = plan({ frameSplit: { ...frameSplit, passWaits: 2 } }, two, "frames");
    expect(dear?.layout).toBe("one");
    expect(plan({}, two, "frames")?.weighed.length).toBe(1);
  });

  it("counts what the first node gives to every other, and until all are ready", () => {
    const nodes = ["a", "b", "c", "d"].map((id) => node(id));
    const chosen = (split: Partial<typeof noSplit>) =>
      plan({ frameSplit: { ...noSplit, frames: 4, ...split } }, nodes, "frames");
    // A pass on four: 10 for a frame, and 6 for each of three nodes; on two, 20 and 12.
    expect([chosen({ haloBytes: 12 })?.predictedMs, chosen({ haloBytes: 12 })?.layout]).toEqual([
      280,
      "frames",
    ]);
    // 390 ms on two, and 385 on four: that is the same.
    expect(chosen({ haloBytes: 19 })?.nodeIds.length).toBe(2);
    expect(chosen({ passBytes: 6 })?.predictedMs).toBe(260);
    expect(chosen({ readyMs: 290 })?.predictedMs).toBe(390);
    expect(chosen({ readyMs: 310 })?.layout).toBe("one");
  });

  it("lets nodes that no prompt is left for share the frames of those that there are", () => {
    const frameSplit = { ...noSplit, frames: 4 };
    const nodes = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map((id) => node(id));
    // Two prompts of 10 * 2 passes, each on four nodes; the ninth is of no use.
    const chosen = plan({ prompts: 2, units: 2, frameSplit }, nodes, "prompts");
    expect([chosen?.nodeIds.length, chosen?.predictedMs]).toEqual([8, 200]);
    const waits = { ...frameSplit, passWaits: 31 };
    const branches = plan({ prompts: 2, units: 2, frameSplit: waits }, nodes, "prompts");
    expect([branches?.nodeIds.length, branches?.predictedMs]).toEqual([4, 410]);
  });

  it("counts how long nodes pull what they begin with, all from one place", () => {
    // The second begins 100 ms later; of four, all but the first 900 ms later.
    const chosen = plan({ prompts: 2, startBytes: 100 }, two, "prompts");
    expect(chosen?.predictedMs).toBe(500);
    const nodes = ["a", "b", "c", "d"].map((id) => node(id));
    expect(plan({ prompts: 4, startBytes: 300 }, nodes, "prompts")?.nodeIds.length).toBe(3);
    // One goes on alone until the other is ready: half of 800 ms, then 41 for 80.
    const branches = plan({ units: 2, startBytes: 400 }, two, "branches");
    expect(branches?.predictedMs).toBe(400 + 400 * (41 / 80));
  });

  it("splits frames over all nodes that are there where that was asked for", () => {
    const frameSplit = { ...noSplit, frames: 3, passWaits: 50 };
    const nodes = ["a", "b", "c", "d"].map((id) => node(id));
    const asked = forced({ frameSplit }, nodes, "frames");
    expect([asked?.layout, asked?.nodeIds.length]).toEqual(["frames", 3]);
    const unknown = forced({ frameSplit }, [node("a", 0), node("b")], "frames");
    expect([unknown?.layout, unknown?.nodeIds.length]).toEqual(["frames", 2]);
    expect(plan({ frameSplit }, [node("a", 0), node("b")], "frames")?.layout).toBe("one");
  });

  it("gives each node of a quorum its block of draws, and counts both exchanges", () => {
    // Two nodes: 10 * (2 draws * 40 + 2 * 30 through the server + 4) = 1440, against 1600 on one.
    const chosen = plan({ units: 4, updateBytes: 30 }, two, "draws");
    expect([chosen?.layout, chosen?.predictedMs]).toEqual(["draws", 1440]);
    expect(plan({ units: 4, updateBytes: 39 }, two, "draws")?.layout).toBe("one");
    // Draws 1 and 2 are no subtree of the tree over all: that node has two sums.
    expect(plan({ units: 3, updateBytes: 10 }, two, "draws")?.predictedMs).toBe(
      10 * (2 * 40 + 10 * (3 / 2) + 10 + 4),
    );
    // On four, 2 * 3 * 30 go through it: that is more than two draws less.
    const four = ["a", "b", "c", "d"].map((id) => node(id));
    expect(plan({ units: 4, updateBytes: 30 }, four, "draws")?.nodeIds.length).toBe(2);
  });

  it("divides VAE frames by speed, and no further than there are frames", () => {
    const nodes = ["a", "b", "c", "d", "e"].map((id) => node(id));
    const chosen = plan({ iterations: 1, units: 4 }, nodes, "vae-frames");
    expect([chosen?.nodeIds.length, chosen?.predictedMs]).toEqual([4, 41]);
    // The coordinator has one card: 10 for each node but one; then 4 * 30, if that is more.
    const frame = { unitBytes: 30, returnBytes: 30 };
    const bound = { iterations: 1, units: 4, ...frame, startBytes: 10 };
    const onTwo = plan(bound, nodes, "vae-frames");
    expect([onTwo?.nodeIds.length, onTwo?.predictedMs]).toEqual([2, 10 + 2 * 40 + 2 * 30 + 1]);
    expect(plan({ ...bound, startBytes: 20 }, nodes, "vae-frames")?.layout).toBe("one");
    expect(plan({ ...bound, startBytes: 0 }, nodes, "vae-frames")?.predictedMs).toBe(120);
    const unequal = plan({ iterations: 1, units: 9 }, [node("a"), node("b", 2)], "vae-frames");
    expect([...(unequal?.shares ?? [])]).toEqual([
      ["b", 6],
      ["a", 3],
    ]);
    expect(unequal?.predictedMs).toBe(121);
  });

  it("takes fewer nodes where more gain nothing that can be told", () => {
    const helpless = plan({ iterations: 1, units: 50 }, [node("a"), node("b", 0.01)], "vae-frames");
    expect(helpless?.nodeIds).toEqual(["a"]);
  });

  it("divides whole units, and nothing else, while no time was measured", () => {
    const unknown = two.map((each) => ({ ...each, unitMs: 0 }));
    expect(plan({ prompts: 2 }, unknown, "prompts")).toMatchObject({
      ...{ layout: "prompts", nodeIds: ["a", "b"], predictedMs: 0 },
      reason: "prompts on a, b: no time of such a pass was measured yet",
    });
    expect(plan({ units: 2 }, unknown, "branches")).toMatchObject({ layout: "one" });
    const frames = plan({ units: 8 }, unknown, "vae-frames");
    expect([...(frames?.shares ?? [])].map(([, share]) => share)).toEqual([4, 4]);
    expect(plan({}, [], "prompts")).toBeNull();
  });

  it("never picks a layout that it predicts slower than one node, and always says why", () => {
    for (const speed of [0.1, 1, 10]) {
      for (const link of [0.01, 1, 100]) {
        for (const prompts of [1, 2, 5]) {
          const nodes = [node("a", speed, link), node("b", speed, link), node("c", 1, link)];
          const heavy = { prompts, units: 2, unitBytes: 9 };
          const chosen = plan(heavy, nodes, "prompts", "branches");
          const one = chosen?.weighed.find(({ layout }) => layout === "one");
          expect(chosen?.predictedMs).toBeLessThanOrEqual(one?.predictedMs ?? 0);
          expect(chosen?.reason).not.toBe("");
        }
      }
    }
  });
});
