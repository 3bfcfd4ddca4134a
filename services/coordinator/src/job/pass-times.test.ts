import { describe, expect, it } from "vitest";
import type { NodeView, PassKind } from "./cluster-state.js";
import { unitTimes } from "./pass-times.js";
import { ACluster } from "./testing/a-cluster.js";

type Measured = readonly [kind: PassKind, frames: number, pixelsPerFrame: number, ms: number];

/** A node of a speed that has measured some passes. */
function node(nodeId: string, flopsPerSecond: number, ...measured: readonly Measured[]): NodeView {
  const cluster = new ACluster();
  cluster.join(nodeId);
  const view = cluster.state.nodes.get(nodeId);
  if (view === undefined) throw new Error("expected the node");
  const passes = measured.map(([kind, frames, pixelsPerFrame, durationMs]) => ({
    ...{ modelHash: "m", kind, frames, pixelsPerFrame, durationMs, passesAtOnce: 1 },
  }));
  return { ...view, rates: { flopsPerSecond, bytesPerSecond: 1, roundTripMs: 1, passes } };
}
const times = (kind: PassKind, ...nodes: readonly NodeView[]) =>
  Object.fromEntries(
    unitTimes(
      nodes,
      { modelHash: "m", kind, frames: 8, pixelsPerFrame: 64 },
      new Map(nodes.map((view) => [view.info.nodeId, view])),
    ),
  );

describe("unitTimes", () => {
  it("takes what a node measured itself of the same size", () => {
    expect(
      times("unet", node("a", 1, ["unet", 8, 64, 50]), node("b", 1, ["unet", 8, 64, 70])),
    ).toEqual({ a: 50, b: 70 });
  });

  it("takes another node's time of the same size by the ratio of their speeds", () => {
    expect(times("unet", node("a", 2, ["unet", 8, 64, 50]), node("b", 1))).toEqual({
      a: 50,
      b: 100,
    });
    const own = node("b", 1, ["unet", 1, 64, 9]);
    expect(times("unet", node("a", 2, ["unet", 8, 64, 50]), own)).toEqual({ a: 50, b: 100 });
  });

  it("scales another size by its frames and pixels, the nearest first", () => {
    const far = ["unet", 1, 16, 1] as const;
    expect(times("unet", node("a", 1, far, ["unet", 4, 64, 30]))).toEqual({ a: 60 });
  });

  it("counts a frame of the VAE, however many went through it at once", () => {
    expect(times("decode", node("a", 1, ["decode", 4, 64, 20]))).toEqual({ a: 5 });
    expect(times("decode", node("a", 1, ["encode", 4, 64, 20]))).toEqual({});
  });

  it("takes a draw for three forward passes until one was measured", () => {
    expect(times("gradients", node("a", 1, ["unet", 8, 64, 50]))).toEqual({ a: 150 });
    const both = node("a", 1, ["unet", 8, 64, 50], ["gradients", 8, 64, 120]);
    expect(times("gradients", both)).toEqual({ a: 120 });
  });

  it("counts a node of which nothing is known as the slowest, and no other model's passes", () => {
    const known = node("a", 1, ["unet", 8, 64, 50]);
    expect(times("unet", known, node("b", 0))).toEqual({ a: 50, b: 50 });
    const other = { ...known, rates: { ...known.rates, passes: [] } };
    expect(times("unet", other)).toEqual({});
  });

  it("looks at each node's speed a few times only, however many nodes there are", () => {
    let lookCount = 0;
    const nodes = Array.from({ length: 100 }, (_, at): NodeView => {
      const view = node(`n${at}`, 1, ["unet", 8, 64, 50]);
      const rates = Object.defineProperty({ ...view.rates }, "flopsPerSecond", {
        get: () => {
          lookCount += 1;
          return 1;
        },
      });
      return { ...view, rates };
    });
    expect(Object.values(times("unet", ...nodes))).toEqual(nodes.map(() => 50));
    expect(lookCount).toBeLessThanOrEqual(4 * nodes.length);
  });
});
