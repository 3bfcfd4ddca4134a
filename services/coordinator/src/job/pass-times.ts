import type { NodeRates, NodeView, PassKind, PassTime } from "./cluster-state.js";
import type { Phase } from "./edit-record.js";

/** The pass that a phase runs again and again. */
export const passKinds: Partial<Readonly<Record<Phase, PassKind>>> = {
  ...{ encode: "encode", tune: "gradients", invert: "unet", sample: "unet", decode: "decode" },
};

/** The pass that a unit of work is. */
export interface PassOf {
  readonly modelHash: string;
  readonly kind: PassKind;
  /** Of one pass; for the VAE a unit is one frame, however many go through it at once. */
  readonly frames: number;
  readonly pixelsPerFrame: number;
}

/** Backward is about two forward passes: over the activations and over the weights. */
const forwardsPerGradients = 3;

interface Sample {
  readonly node: NodeView;
  readonly unitMs: number;
  /** Frames times pixels of what was measured, and of what is asked for. */
  readonly sizeRatio: number;
  /** Between the two sizes: none where they are the same. */
  readonly distance: number;
}

/**
 * Milliseconds of a unit on each node, from what any of them has measured: the same size before
 * another, the node itself before others, whose times count by the ratio of their speeds. A node
 * of which nothing is known counts as the slowest.
 *
 * @param known  all nodes that may have measured something
 * @returns      by node id; empty where nothing tells
 */
export function unitTimes(
  nodes: readonly NodeView[],
  pass: PassOf,
  known: ReadonlyMap<string, NodeView>,
): ReadonlyMap<string, number> {
  const nearest = nearestOf(known, pass);
  if (nearest.own.size === 0) {
    if (pass.kind !== "gradients") return new Map();
    const forward = unitTimes(nodes, { ...pass, kind: "unet" }, known);
    return new Map([...forward].map(([nodeId, ms]) => [nodeId, forwardsPerGradients * ms]));
  }
  const estimates = nodes.map((node) => ({ node, unitMs: estimated(node, nearest) }));
  const slowest = Math.max(...estimates.map(({ unitMs }) => unitMs ?? 0));
  const fallback = slowest || nearest.longestMs;
  return new Map(
    estimates.map(({ node, unitMs }) => [node.info.nodeId, unitMs ?? fallback] as const),
  );
}

/** Passes of a kind that take a node no longer together than one. */
export function passesAtOnce({ passes }: NodeRates, pass: PassOf): number {
  let most = 1;
  for (const time of passes) if (isOf(time, pass)) most = Math.max(most, time.passesAtOnce);
  return most;
}

const isOf = (time: PassTime, { modelHash, kind }: PassOf): boolean =>
  time.kind === kind && time.modelHash === modelHash;

function sampleOf(node: NodeView, time: PassTime, pass: PassOf): Sample {
  const isFrame = pass.kind === "encode" || pass.kind === "decode";
  const measuredFrames = isFrame ? 1 : time.frames;
  const unitMs = isFrame ? time.durationMs / time.frames : time.durationMs;
  const askedFrames = isFrame ? 1 : pass.frames;
  const size = measuredFrames * time.pixelsPerFrame;
  const sizeRatio = (askedFrames * pass.pixelsPerFrame) / size;
  return { node, unitMs, sizeRatio, distance: Math.abs(Math.log(sizeRatio)) };
}

const scaled = ({ unitMs, sizeRatio }: Sample): number => unitMs * sizeRatio;

/** The samples of the sizes next to what is asked for. */
interface Nearest {
  readonly own: ReadonlyMap<string, Sample>;
  /** Of the nodes whose speed is known; undefined where none is. */
  readonly shared: Sample | undefined;
  readonly longestMs: number;
}

/** By nodes, which never change: many pieces are planned for the same ones. */
const knownNearest = new WeakMap<ReadonlyMap<string, NodeView>, Map<string, Nearest>>();

function nearestOf(nodes: ReadonlyMap<string, NodeView>, pass: PassOf): Nearest {
  const known = knownNearest.get(nodes) ?? new Map<string, Nearest>();
  knownNearest.set(nodes, known);
  const key = `${pass.modelHash} ${pass.kind} ${pass.frames} ${pass.pixelsPerFrame}`;
  const nearest = known.get(key) ?? nearestNow(nodes, pass);
  known.set(key, nearest);
  return nearest;
}

function nearestNow(nodes: ReadonlyMap<string, NodeView>, pass: PassOf): Nearest {
  const own = new Map<string, Sample>();
  let shared: Sample | undefined;
  let longestMs = 0;
  for (const [nodeId, node] of nodes) {
    for (const time of node.rates.passes) {
      if (!isOf(time, pass)) continue;
      const sample = sampleOf(node, time, pass);
      longestMs = Math.max(longestMs, scaled(sample));
      const before = own.get(nodeId);
      if (before === undefined || sample.distance < before.distance) own.set(nodeId, sample);
      if (node.rates.flopsPerSecond <= 0) continue;
      if (shared === undefined || sample.distance < shared.distance) shared = sample;
    }
  }
  return { own, shared, longestMs };
}

/** Undefined where only others were measured, and their speed cannot be compared. */
function estimated(node: NodeView, { own, shared }: Nearest): number | undefined {
  const mine = own.get(node.info.nodeId);
  const ratio = shared === undefined ? 0 : speedRatio(shared.node, node);
  const theirs = ratio > 0 ? shared : undefined;
  if (mine !== undefined && (theirs === undefined || mine.distance <= theirs.distance)) {
    return scaled(mine);
  }
  return theirs && scaled(theirs) * ratio;
}

/** How much longer a node takes than the one that measured; 0 where that is not known. */
function speedRatio(measured: NodeView, node: NodeView): number {
  const [theirs, own] = [measured.rates.flopsPerSecond, node.rates.flopsPerSecond];
  return theirs > 0 && own > 0 ? theirs / own : 0;
}
