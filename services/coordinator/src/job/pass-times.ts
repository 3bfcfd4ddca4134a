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
  known: Iterable<NodeView>,
): ReadonlyMap<string, number> {
  const samples = [...known].flatMap((node) =>
    node.rates.passes.flatMap((time) => sampleOf(node, time, pass) ?? []),
  );
  if (samples.length === 0) {
    if (pass.kind !== "gradients") return new Map();
    const forward = unitTimes(nodes, { ...pass, kind: "unet" }, known);
    return new Map([...forward].map(([nodeId, ms]) => [nodeId, forwardsPerGradients * ms]));
  }
  const nearest = nearestOf(samples);
  const estimates = nodes.map((node) => ({ node, unitMs: estimated(node, nearest) }));
  const slowest = Math.max(...estimates.map(({ unitMs }) => unitMs ?? 0));
  const fallback = slowest || Math.max(...samples.map(scaled));
  return new Map(
    estimates.map(({ node, unitMs }) => [node.info.nodeId, unitMs ?? fallback] as const),
  );
}

/** Passes of a kind that take a node no longer together than one. */
export function passesAtOnce({ passes }: NodeRates, { modelHash, kind }: PassOf): number {
  const same = passes.filter((time) => time.modelHash === modelHash && time.kind === kind);
  return Math.max(1, ...same.map((time) => time.passesAtOnce));
}

function sampleOf(node: NodeView, time: PassTime, pass: PassOf): Sample | undefined {
  if (time.modelHash !== pass.modelHash || time.kind !== pass.kind) return undefined;
  const isFrame = pass.kind === "encode" || pass.kind === "decode";
  const measuredFrames = isFrame ? 1 : time.frames;
  const unitMs = isFrame ? time.durationMs / time.frames : time.durationMs;
  const askedFrames = isFrame ? 1 : pass.frames;
  const size = measuredFrames * time.pixelsPerFrame;
  return { node, unitMs, sizeRatio: (askedFrames * pass.pixelsPerFrame) / size };
}

const scaled = ({ unitMs, sizeRatio }: Sample): number => unitMs * sizeRatio;

const distance = ({ sizeRatio }: Sample): number => Math.abs(Math.log(sizeRatio));

/** The samples of the sizes next to what is asked for: looked for once for all nodes. */
interface Nearest {
  readonly own: ReadonlyMap<string, Sample>;
  /** Of the nodes whose speed is known; undefined where none is. */
  readonly shared: Sample | undefined;
}

function nearestOf(samples: readonly Sample[]): Nearest {
  const own = new Map<string, Sample>();
  let shared: Sample | undefined;
  for (const sample of samples) {
    const { info, rates } = sample.node;
    const before = own.get(info.nodeId);
    if (before === undefined || distance(sample) < distance(before)) own.set(info.nodeId, sample);
    if (rates.flopsPerSecond <= 0) continue;
    if (shared === undefined || distance(sample) < distance(shared)) shared = sample;
  }
  return { own, shared };
}

/** Undefined where only others were measured, and their speed cannot be compared. */
function estimated(node: NodeView, { own, shared }: Nearest): number | undefined {
  const mine = own.get(node.info.nodeId);
  const ratio = shared === undefined ? 0 : speedRatio(shared.node, node);
  const theirs = ratio > 0 ? shared : undefined;
  if (mine !== undefined && (theirs === undefined || distance(mine) <= distance(theirs))) {
    return scaled(mine);
  }
  return theirs && scaled(theirs) * ratio;
}

/** How much longer a node takes than the one that measured; 0 where that is not known. */
function speedRatio(measured: NodeView, node: NodeView): number {
  const [theirs, own] = [measured.rates.flopsPerSecond, node.rates.flopsPerSecond];
  return theirs > 0 && own > 0 ? theirs / own : 0;
}
