import { describe, expect, it } from "vitest";
import type { NodeInfo, NodeRates, PassTime } from "./cluster-state.js";
import { flopsOfEdit, leastTime } from "./least-time.js";
import { ACluster } from "./testing/a-cluster.js";
import { aSpec, someSettings } from "./testing/an-edit.js";

// An edit of 2 frames of 8x8. A pass of the U-Net takes 128 * (1 + 64 * 0.5) = 4,224 operations,
// of gradients 12,672 (16,896 with memory low), a frame of the VAE 64 * 100.
const pass = { lowMemory: false, flopsPerPixelPair: 0 };
const passFlops: NodeInfo["models"][number]["passFlops"] = [
  { ...pass, kind: "unet", flopsPerPixel: 1, flopsPerPixelPair: 0.5 },
  { ...pass, kind: "gradients", flopsPerPixel: 99 },
  { ...pass, kind: "gradients", lowMemory: true, flopsPerPixel: 132 },
  { ...pass, kind: "encode", flopsPerPixel: 100 },
  { ...pass, kind: "decode", flopsPerPixel: 100 },
];
const model = { hash: "m", name: "M", tunedParameters: 1, frameCoupling: null, passMemory: [] };
const info = { models: [{ ...model, passFlops }] };
const settings = { ...someSettings, guidance: 7.5, ddim: 10, strength: 0.55 };
/** 12,800 to encode, 4 draws, 5 + 2 * 5 passes of the U-Net, 12,800 to decode: 139,648. */
const spec = aSpec({ settings });

const ratesOf = (flopsPerSecond: number, ...passes: readonly PassTime[]): NodeRates => ({
  ...{ flopsPerSecond, bytesPerSecond: 1, roundTripMs: 1, passes },
});
const unetTime = (change: Partial<PassTime> = {}): PassTime => ({
  ...{ modelHash: "m", kind: "unet", frames: 2, pixelsPerFrame: 64, durationMs: 1000 },
  ...{ passesAtOnce: 1, ...change },
});
interface NodeOf {
  readonly rates: NodeRates;
  readonly info?: Partial<NodeInfo>;
}
function clusterOf(...nodes: readonly NodeOf[]): ACluster {
  const cluster = new ACluster();
  nodes.forEach((node, at) => {
    cluster.join(`n${at}`, { ...info, ...node.info }, node.rates);
  });
  return cluster;
}
const least = (...nodes: readonly NodeOf[]) =>
  leastTime(clusterOf(...nodes).state.nodes.values(), spec);

describe("flopsOfEdit", () => {
  it("counts every pass of every phase", () => {
    const flops = (change: Partial<typeof settings>, prompts = ["p"]) =>
      flopsOfEdit(info, { ...spec, prompts, settings: { ...settings, ...change } });
    expect(flops({})).toBe(139_648);
    expect(flops({}, ["p", "q"])).toBe(139_648 + 10 * 4_224 + 12_800);
    expect(flops({ memory: "low" })).toBe(139_648 + 4 * (16_896 - 12_672));
    expect(flops({ guidance: 1, steps: 0 })).toBe(2 * 12_800 + 10 * 4_224);
    const untold = { models: [{ ...model, passFlops: passFlops.slice(1) }] };
    expect(flopsOfEdit(untold, spec)).toBeUndefined();
  });
});

describe("leastTime", () => {
  it("divides the work over all nodes of one numerics id, the fastest group", () => {
    const one = { rates: ratesOf(0, unetTime()) };
    expect(least(one)).toMatchObject({ flopsPerSecond: 4_224, nodeCount: 1 });
    expect(least(one, one)?.ms).toBeCloseTo((1000 * 139_648) / 8_448);
    const other = { ...one, info: { numericsId: "x" } };
    expect(least(one, one, other)).toMatchObject({ nodeCount: 2 });
  });

  it("takes passes at once, and the best rate that a node has shown", () => {
    const rates = ratesOf(1, unetTime({ passesAtOnce: 2 }), unetTime({ kind: "gradients" }));
    expect(least({ rates })?.flopsPerSecond).toBe(16_896);
  });

  it("gives a node the benefit of the doubt until it has measured a large pass", () => {
    const small = unetTime({ pixelsPerFrame: 31, durationMs: 1 });
    expect(least({ rates: ratesOf(1_000, small) })?.flopsPerSecond).toBe(4_000);
    const half = unetTime({ frames: 1 });
    expect(least({ rates: ratesOf(1_000, half) })?.flopsPerSecond).toBe(2_112);
    const others = unetTime({ modelHash: "other" });
    expect(least({ rates: ratesOf(1_000, others) })?.flopsPerSecond).toBe(4_000);
  });

  it("says nothing where a node does not tell", () => {
    expect(least()).toBeNull();
    expect(least({ rates: ratesOf(0) })).toBeNull();
    const untold = { models: [{ ...model, passFlops: [] }] };
    expect(least({ rates: ratesOf(1), info: untold })).toBeNull();
  });
});

describe("admission by time", () => {
  const submitted = (withinMs: number, cluster: ACluster) => {
    const finishByMs = withinMs === 0 ? 0 : cluster.nowMs + withinMs;
    return cluster.submit("e", { settings, finishByMs }).refusal;
  };
  const node = { rates: ratesOf(0, unetTime()) };
  const leastMs = (1000 * 139_648) / 4_224;

  it("refuses what no division could finish in time, and says both numbers", () => {
    expect(submitted(Math.floor(leastMs), clusterOf(node))).toEqual({
      ...{ code: "DEADLINE_EXCEEDED", reason: "deadline" },
      message:
        "deadline: for 2 frames of 8x8, 2 steps and 1 prompt, 0.1 MFLOP take at least 33.1 s " +
        "(1 node: 0.0 MFLOP a second), and it shall finish in 33.1 s; " +
        "give it more time, or take fewer steps or frames",
    });
    expect(submitted(Math.ceil(leastMs), clusterOf(node))).toBeNull();
    expect(submitted(Math.floor(leastMs), clusterOf(node, node))).toBeNull();
    expect(submitted(0, clusterOf(node))).toBeNull();
  });

  it("takes what it cannot judge", () => {
    expect(submitted(1, new ACluster())).toBeNull();
    expect(submitted(1, clusterOf({ rates: ratesOf(0) }))).toBeNull();
  });

  it("does not count nodes that leave", () => {
    const cluster = clusterOf(node, node);
    cluster.tell({ kind: "drain", nodeId: "n0" });
    expect(submitted(Math.floor(leastMs), cluster)?.reason).toBe("deadline");
  });
});
