import type { NodeRates } from "./cluster-state.js";
import type { LayoutName } from "./edit-record.js";

export interface PlanNode {
  readonly nodeId: string;
  readonly rates: NodeRates;
}

/** What a phase costs, as sums over the graph; the same for every layout. */
export interface PhaseCost {
  readonly frames: number;
  /** Equal pieces that do not know of each other; 1 where there is one. */
  readonly prompts: number;
  /** Tuning steps, or denoising iterations; 1 for the VAE. */
  readonly iterations: number;
  /** Guidance branches of an iteration, or draws of a step. */
  readonly branches: number;
  readonly draws: number;
  /** Of one frame in one branch or draw of an iteration. */
  readonly flopsPerFrame: number;
  /** What a node gets and gives for a frame, or a branch, in all its frames. */
  readonly frameBytes: number;
  readonly branchBytes: number;
  /** Of the flat vector of gradients. */
  readonly updateBytes: number;
  /** Of a frame split: what a node receives in an iteration, and how often it waits for others. */
  readonly couplingBytes: number;
  readonly couplingWaits: number;
}

export interface LayoutPlan {
  readonly layout: LayoutName;
  readonly nodeIds: readonly string[];
  /** 0: not known. */
  readonly predictedMs: number;
}

export interface Plan extends LayoutPlan {
  readonly reason: string;
  /** All that were weighed, fastest first. */
  readonly weighed: readonly LayoutPlan[];
}

const isMeasured = ({ rates }: PlanNode): boolean =>
  rates.flopsPerSecond > 0 && rates.bytesPerSecond > 0;

/**
 * Chooses the layout of a phase: it predicts each from measured rates and takes the fastest, with
 * fewer nodes where that is no slower. A split that would be slower is declined, in words.
 *
 * @param layouts  those that the phase can have; a forced layout is a list of one
 */
export function plannedLayout(
  cost: PhaseCost,
  nodes: readonly PlanNode[],
  layouts: readonly LayoutName[],
): Plan | null {
  const ranked = nodes.toSorted((a, b) => b.rates.flopsPerSecond - a.rates.flopsPerSecond);
  const [first] = ranked;
  if (first === undefined) return null;
  if (!ranked.every(isMeasured)) {
    const one: LayoutPlan = { layout: "one", nodeIds: [first.nodeId], predictedMs: 0 };
    return {
      ...one,
      reason: "one node: the rates of the nodes are not measured yet",
      weighed: [one],
    };
  }
  const sizes = ranked.map((_, index) => index + 1);
  const weighed = [...new Set<LayoutName>(["one", ...layouts])]
    .flatMap((layout) =>
      sizes.flatMap((size): LayoutPlan[] => {
        const chosen = ranked.slice(0, size);
        const predictedMs = predictedFor(cost, chosen, layout);
        const nodeIds = chosen.map(({ nodeId }) => nodeId);
        return predictedMs === null ? [] : [{ layout, nodeIds, predictedMs }];
      }),
    )
    .toSorted((a, b) => a.predictedMs - b.predictedMs || a.nodeIds.length - b.nodeIds.length);
  const isForced = layouts.length === 1;
  const best = isForced ? weighed.find(({ layout }) => layout === layouts[0]) : weighed[0];
  if (best === undefined) return null;
  return { ...best, weighed, reason: reasonOf(best, weighed, { isForced }) };
}

function reasonOf(
  best: LayoutPlan,
  weighed: readonly LayoutPlan[],
  { isForced }: { isForced: boolean },
): string {
  const told = ({ layout, nodeIds, predictedMs }: LayoutPlan): string =>
    `${layout} on ${nodeIds.length} in ${Math.round(predictedMs)} ms`;
  if (isForced) return `${told(best)}, as asked for`;
  const others = weighed.filter(({ layout }) => layout !== best.layout);
  const next = others.find(({ nodeIds }) => nodeIds.length > 1) ?? others[0];
  if (next === undefined) return told(best);
  const verb = best.layout === "one" ? "declined" : "slower";
  return `${told(best)}; ${verb}: ${told(next)}`;
}

/** Milliseconds of a phase on these nodes, all used; null where the layout cannot use them. */
function predictedFor(
  cost: PhaseCost,
  nodes: readonly PlanNode[],
  layout: LayoutName,
): number | null {
  const size = nodes.length;
  const { prompts, branches, draws, frames } = cost;
  switch (layout) {
    case "one":
      return size === 1
        ? prompts * cost.iterations * passMs(cost, nodes, { units: branches * draws })
        : null;
    case "prompts":
      return size > 1 && size <= prompts ? promptsMs(cost, nodes) : null;
    case "branches":
      return size === 2 && branches === 2
        ? prompts * cost.iterations * branchMs(cost, nodes)
        : null;
    case "draws":
      return size > 1 && size <= draws ? cost.iterations * drawsMs(cost, nodes) : null;
    case "vae-frames":
      return size > 1 && size <= frames ? prompts * vaeMs(cost, nodes) : null;
    case "frames":
      return size > 1 && size <= frames ? prompts * cost.iterations * framesMs(cost, nodes) : null;
  }
}

const slowest = (nodes: readonly PlanNode[], of: (rates: NodeRates) => number): number =>
  Math.min(...nodes.map(({ rates }) => of(rates)));
const waitMs = (nodes: readonly PlanNode[]): number =>
  Math.max(...nodes.map(({ rates }) => rates.roundTripMs));
const transferMs = (bytes: number, nodes: readonly PlanNode[]): number =>
  (1000 * bytes) / slowest(nodes, ({ bytesPerSecond }) => bytesPerSecond);

/** Whole clips through the network, on the slowest of the nodes. */
function passMs(
  { frames, flopsPerFrame }: PhaseCost,
  nodes: readonly PlanNode[],
  { units }: { units: number },
): number {
  return (1000 * units * frames * flopsPerFrame) / slowest(nodes, (rates) => rates.flopsPerSecond);
}

/** Each prompt goes to the node that would have it done first. */
function promptsMs(cost: PhaseCost, nodes: readonly PlanNode[]): number {
  const busyMs = nodes.map(() => 0);
  const oneMs = nodes.map(
    (node) => cost.iterations * passMs(cost, [node], { units: cost.branches * cost.draws }),
  );
  for (let prompt = 0; prompt < cost.prompts; prompt += 1) {
    const ends = busyMs.map((ms, index) => ms + (oneMs[index] ?? 0));
    const next = ends.indexOf(Math.min(...ends));
    busyMs[next] = ends[next] ?? 0;
  }
  return Math.max(...busyMs);
}

const branchMs = (cost: PhaseCost, nodes: readonly PlanNode[]): number =>
  passMs(cost, nodes, { units: 1 }) + transferMs(2 * cost.branchBytes, nodes) + waitMs(nodes);

/** Draws in contiguous blocks; partial and reduced shards cross, each node but for its own. */
function drawsMs(cost: PhaseCost, nodes: readonly PlanNode[]): number {
  const size = nodes.length;
  const computeMs = nodes.map((node, rank) => {
    const begin = Math.floor((rank * cost.draws) / size);
    const units = Math.floor(((rank + 1) * cost.draws) / size) - begin;
    return passMs(cost, [node], { units });
  });
  const exchangeMs = transferMs((2 * (size - 1) * cost.updateBytes) / size, nodes);
  return Math.max(...computeMs) + exchangeMs + 4 * waitMs(nodes);
}

function vaeMs(cost: PhaseCost, nodes: readonly PlanNode[]): number {
  const frames = Math.ceil(cost.frames / nodes.length);
  const computeMs = passMs({ ...cost, frames }, nodes, { units: 1 });
  return computeMs + transferMs(frames * cost.frameBytes, nodes) + waitMs(nodes);
}

function framesMs(cost: PhaseCost, nodes: readonly PlanNode[]): number {
  const frames = Math.ceil(cost.frames / nodes.length);
  const computeMs = passMs({ ...cost, frames }, nodes, { units: cost.branches });
  const bytesMs = transferMs(cost.branches * cost.couplingBytes, nodes);
  return computeMs + bytesMs + cost.couplingWaits * waitMs(nodes);
}
