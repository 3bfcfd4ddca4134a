import type { LayoutName } from "./edit-record.js";

export interface PlanNode {
  readonly nodeId: string;
  /** Of one unit of the work on this node; 0 on all where nothing was measured. */
  readonly unitMs: number;
  /** Units that take no longer together than one. */
  readonly unitsAtOnce: number;
  /** 0 where not measured. */
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
}

/** What a phase has left to do; the same for every layout. */
export interface Work {
  /** Equal pieces that do not know of each other; 1 where there is one. */
  readonly prompts: number;
  /** Tuning steps, or denoising iterations; 1 for the VAE. */
  readonly iterations: number;
  /** Of an iteration: guidance branches, draws of a step, frames of the VAE. */
  readonly units: number;
  /** What crosses for a unit that another node computes, there and back. */
  readonly unitBytes: number;
  /** What of that comes back, to the one card of the coordinator, while units are computed. */
  readonly returnBytes: number;
  /** Of the flat vector of gradients; 0 where nothing is tuned. */
  readonly updateBytes: number;
  /** What every node but the first has to pull from the coordinator before it begins. */
  readonly startBytes: number;
  /** Of a split of the clip's frames; null where a phase has none. */
  readonly frameSplit: FrameSplit | null;
}

export interface FrameSplit {
  readonly frames: number;
  /** Until nodes have made the programs of their parts. */
  readonly readyMs: number;
  /** What the first node gives every other one before a pass. */
  readonly passBytes: number;
  /** What a node needs for a pass of frames before its own: half of it from the first node. */
  readonly haloBytes: number;
  /** What crosses for a pass there and back, if no frame stays where it is. */
  readonly siteBytes: number;
  /** How often a node waits for others in a pass. */
  readonly passWaits: number;
}

export interface LayoutPlan {
  readonly layout: LayoutName;
  readonly nodeIds: readonly string[];
  /** 0: not known. */
  readonly predictedMs: number;
}

export interface Plan extends LayoutPlan {
  readonly reason: string;
  /** Frames of the VAE by node; empty for other layouts. */
  readonly shares: ReadonlyMap<string, number>;
  /** All that were weighed, fastest first. */
  readonly weighed: readonly LayoutPlan[];
}

/** Of a link that nothing is known of: 100 Mbit/s. */
const assumedBytesPerSecond = 12_500_000;
/** More nodes are worth it only for so much: predictions are no better. */
export const gainMin = 0.02;

/**
 * Chooses the layout of a phase: it predicts each from measured times and takes the fastest, with
 * fewer nodes where that is no slower. A split that would be slower is declined, in words. Where
 * nothing was measured yet, whole units are divided and nothing else.
 *
 * @param nodes    in the order in which they are preferred where they are equally fast
 * @param layouts  those that the phase can have, besides one node
 * @param isForced whether the first of them was asked for
 */
export function plannedLayout(
  work: Work,
  nodes: readonly PlanNode[],
  { layouts, isForced = false }: { layouts: readonly LayoutName[]; isForced?: boolean },
): Plan | null {
  if (nodes.length === 0) return null;
  if (!nodes.every(({ unitMs }) => unitMs > 0)) {
    return unmeasured(
      work,
      nodes,
      isForced ? layouts : layouts.filter((name) => name !== "frames"),
    );
  }
  const ranked = nodes.toSorted((a, b) => a.unitMs - b.unitMs);
  const sizes = ranked.map((_, index) => index + 1);
  const weighed = [...new Set<LayoutName>(["one", ...layouts])]
    .flatMap((layout) =>
      sizes.flatMap((size): LayoutPlan[] => {
        const chosen = ranked.slice(0, size);
        const predictedMs = predictedFor(work, chosen, layout);
        if (predictedMs === null) return [];
        return [{ layout, nodeIds: chosen.map(({ nodeId }) => nodeId), predictedMs }];
      }),
    )
    .toSorted((a, b) => a.predictedMs - b.predictedMs || a.nodeIds.length - b.nodeIds.length);
  const asked = isForced ? weighed.filter(({ layout }) => layout === (layouts[0] ?? "one")) : [];
  const best = bestOf(asked.length > 0 ? mostNodes(asked) : weighed);
  if (best === null) return null;
  const whole = { ...best, weighed, shares: sharesOf(best, work, nodes) };
  if (!isForced) return { ...whole, reason: reasonOf(best, weighed) };
  const how = asked.length > 0 ? "as asked for" : `${layouts[0]} was asked for, and does not fit`;
  return { ...whole, reason: `${told(best)}, ${how}` };
}

function sharesOf(
  { layout, nodeIds }: LayoutPlan,
  { units }: Work,
  nodes: readonly PlanNode[],
): ReadonlyMap<string, number> {
  if (layout !== "vae-frames") return new Map();
  const chosen = nodeIds.flatMap((id) => nodes.filter(({ nodeId }) => nodeId === id));
  const shares = unitShares(units, chosen);
  return new Map(nodeIds.map((nodeId, index) => [nodeId, shares[index] ?? 0]));
}

/** Who asks for frames or draws over nodes gets them over all that can; other layouts stay. */
function mostNodes(asked: readonly LayoutPlan[]): readonly LayoutPlan[] {
  const most = Math.max(...asked.map(({ nodeIds }) => nodeIds.length));
  const isOverAll = (layout: LayoutName): boolean => layout === "frames" || layout === "draws";
  return asked.filter(({ layout, nodeIds }) => !isOverAll(layout) || nodeIds.length === most);
}

/** The fewest nodes that are no slower, by more than predictions can tell, than the fastest. */
function bestOf(weighed: readonly LayoutPlan[]): LayoutPlan | null {
  const limitMs = (weighed[0]?.predictedMs ?? 0) * (1 + gainMin);
  const near = weighed.filter(({ predictedMs }) => predictedMs <= limitMs);
  const [best] = near.toSorted((a, b) => a.nodeIds.length - b.nodeIds.length);
  return best ?? null;
}

function unmeasured(
  work: Work,
  nodes: readonly PlanNode[],
  layouts: readonly LayoutName[],
): Plan | null {
  const whole = layouts.find((name) => name !== "branches");
  const frames = work.frameSplit?.frames ?? 1;
  const sizeMax = whole === "frames" ? frames : whole === "prompts" ? work.prompts : work.units;
  const chosen = nodes.slice(0, whole === undefined ? 1 : Math.max(1, sizeMax));
  const layout = whole !== undefined && chosen.length > 1 ? whole : "one";
  const nodeIds = chosen.map(({ nodeId }) => nodeId);
  const reason = `${named({ layout, nodeIds })}: no time of such a pass was measured yet`;
  const plan = { layout, nodeIds, predictedMs: 0 };
  return { ...plan, reason, weighed: [plan], shares: sharesOf(plan, work, nodes) };
}

const named = ({ layout, nodeIds }: Pick<LayoutPlan, "layout" | "nodeIds">): string =>
  layout === "one" ? `one node (${nodeIds[0]})` : `${layout} on ${nodeIds.join(", ")}`;

const durationText = (ms: number): string =>
  ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

const told = (plan: LayoutPlan): string => `${named(plan)} in ${durationText(plan.predictedMs)}`;

function reasonOf(best: LayoutPlan, weighed: readonly LayoutPlan[]): string {
  const others = weighed.filter(({ layout }) => layout !== best.layout);
  const next = others.find(({ nodeIds }) => nodeIds.length > 1) ?? others[0];
  if (next === undefined) return told(best);
  return `${told(best)}; ${best.layout === "one" ? "declined" : "slower"}: ${told(next)}`;
}

/** Milliseconds of a phase on these nodes, all used; null where the layout cannot use them. */
function predictedFor(work: Work, nodes: readonly PlanNode[], layout: LayoutName): number | null {
  const size = nodes.length;
  const { prompts, iterations, units } = work;
  const all = prompts * iterations;
  switch (layout) {
    case "one":
      return size === 1 ? all * unitsMs(work, nodes) : null;
    case "prompts":
      return size > 1 ? promptsMs(work, nodes) : null;
    case "branches":
      return size === 2 && units === 2 ? branchesMs(work, nodes) : null;
    case "draws":
      return size > 1 && size <= units ? all * drawsMs(work, nodes) : null;
    case "vae-frames":
      return size > 1 && size <= units ? vaeMs(work, nodes) : null;
    case "frames":
      return canShare(work, nodes) ? startMs(work, nodes) + framesMs(work, nodes) : null;
  }
}

const slowestOf = (nodes: readonly PlanNode[]): number =>
  Math.max(...nodes.map(({ unitMs }) => unitMs));
const waitMs = (nodes: readonly PlanNode[]): number =>
  Math.max(...nodes.map(({ roundTripMs }) => roundTripMs));
const transferMs = (bytes: number, nodes: readonly PlanNode[]): number =>
  Math.max(
    ...nodes.map(
      ({ bytesPerSecond }) => (1000 * bytes) / (bytesPerSecond || assumedBytesPerSecond),
    ),
  );

/** Of what one host sends to, or gets from, all: its link is as good as the best that is known. */
const servedMs = (bytes: number, nodes: readonly PlanNode[]): number =>
  Math.min(...nodes.map((node) => transferMs(bytes, [node])));

/** Until all nodes have pulled what they begin with, from one place and at the same time. */
const startMs = ({ startBytes }: Work, nodes: readonly PlanNode[]): number =>
  servedMs((nodes.length - 1) * startBytes, nodes);

/** Whole units, each node as many as suit its speed. */
function unitsMs({ units, unitBytes, updateBytes }: Work, nodes: readonly PlanNode[]): number {
  const isOne = nodes.length === 1;
  const crossing = isOne || updateBytes > 0 ? 0 : unitBytes;
  const ends = unitShares(units, nodes).map(
    (count, index) => roundsMs(count, nodes[index]) + transferMs(count * crossing, nodes),
  );
  return Math.max(...ends) + (isOne ? 0 : waitMs(nodes));
}

/** Frames of the VAE: all come back to the coordinator. */
function vaeMs(work: Work, nodes: readonly PlanNode[]): number {
  const returnMs = servedMs(work.units * work.returnBytes, nodes);
  return startMs(work, nodes) + Math.max(unitsMs(work, nodes), returnMs);
}

const roundsMs = (units: number, node: PlanNode | undefined): number =>
  node === undefined ? 0 : Math.ceil(units / node.unitsAtOnce) * node.unitMs;

/** How many units each node takes, so that all end at about the same time. */
function unitShares(units: number, nodes: readonly Pick<PlanNode, "unitMs">[]): number[] {
  const speeds = nodes.map(({ unitMs }) => (unitMs > 0 ? 1 / unitMs : 1));
  const whole = speeds.reduce((sum, speed) => sum + speed, 0);
  let begin = 0;
  let speedSum = 0;
  return speeds.map((speed) => {
    speedSum += speed;
    const end = Math.round((units * speedSum) / whole);
    const count = end - begin;
    begin = end;
    return count;
  });
}

/**
 * Each prompt goes to the node that would have it done first. A node that no prompt is left for
 * helps one that samples; null where there is nothing for it to do.
 */
function promptsMs(work: Work, nodes: readonly PlanNode[]): number | null {
  const { prompts, iterations, units } = work;
  if (nodes.length > prompts) return prompts > 1 ? groupsMs(work, nodes) : null;
  const oneMs = nodes.map((node) => iterations * unitsMs(work, [node]));
  const busyMs = nodes.map((_, index) => (index === 0 ? 0 : startMs(work, nodes)));
  for (let prompt = 0; prompt < prompts; prompt += 1) {
    const ends = busyMs.map((ms, index) => ms + (oneMs[index] ?? 0));
    const next = ends.indexOf(Math.min(...ends));
    busyMs[next] = ends[next] ?? 0;
  }
  const lastMs = Math.max(...busyMs);
  const last = nodes[busyMs.indexOf(lastMs)];
  const freeMs = Math.min(...busyMs);
  const helper = nodes[busyMs.indexOf(freeMs)];
  if (units !== 2 || last === undefined || helper === undefined) return lastMs;
  const helpedMs = branchMs(work, [last, helper]) / unitsMs(work, [last]);
  return freeMs + (lastMs - freeMs) * Math.min(1, helpedMs);
}

/**
 * A node for every prompt, and as many for each to help it: one with a branch, or all with frames
 * of its passes; null where not all have the same number, or it has more than can help.
 */
function groupsMs(work: Work, nodes: readonly PlanNode[]): number | null {
  const { prompts, iterations, units, frameSplit } = work;
  const size = nodes.length / prompts;
  if (!Number.isInteger(size) || size > Math.max(2, frameSplit?.frames ?? 0)) return null;
  const begunMs = startMs(work, nodes);
  const ends = Array.from({ length: prompts }, (_, at) => {
    const group = nodes.filter((_node, index) => index % prompts === at);
    const branch = units === 2 && size === 2 ? iterations * branchMs(work, group) : Infinity;
    const shared = canShare(work, group) ? framesMs({ ...work, prompts: 1 }, group) : Infinity;
    return begunMs + Math.min(branch, shared);
  });
  const lastMs = Math.max(...ends);
  return Number.isFinite(lastMs) ? lastMs : null;
}

const branchMs = ({ unitBytes }: Work, nodes: readonly PlanNode[]): number =>
  slowestOf(nodes) + transferMs(unitBytes, nodes) + waitMs(nodes);

/** The first node goes on alone until the second has what it needs. */
function branchesMs(work: Work, nodes: readonly PlanNode[]): number {
  const all = work.prompts * work.iterations;
  const [aloneMs, helpedMs] = [all * unitsMs(work, nodes.slice(0, 1)), all * branchMs(work, nodes)];
  const begunMs = Math.min(aloneMs, startMs(work, nodes));
  return begunMs + (1 - begunMs / aloneMs) * helpedMs;
}

/**
 * Draws in contiguous blocks; partial and reduced shards cross, each node but for its own. All of
 * them go through one server.
 */
function drawsMs({ units, updateBytes }: Work, nodes: readonly PlanNode[]): number {
  const size = nodes.length;
  const blocks = nodes.map(({ unitMs }, rank) => ({
    begin: Math.floor((rank * units) / size),
    end: Math.floor(((rank + 1) * units) / size),
    unitMs,
  }));
  const computeMs = blocks.map(({ begin, end, unitMs }) => (end - begin) * unitMs);
  const sums = blocks.reduce((count, block) => count + partialSums(block), 0);
  const crossing = (size - 1) * updateBytes * (1 + sums / size);
  const exchangeMs = Math.max(transferMs(crossing / size, nodes), servedMs(crossing, nodes));
  return Math.max(...computeMs) + exchangeMs + 4 * waitMs(nodes);
}

/** How many sums a block of draws is: one for each complete subtree of the tree over all. */
function partialSums({ begin, end }: { readonly begin: number; readonly end: number }): number {
  let count = 0;
  for (let first = begin; first < end; count += 1) {
    let size = 1;
    while (first % (2 * size) === 0 && first + 2 * size <= end) size *= 2;
    first += size;
  }
  return count;
}

const canShare = ({ frameSplit }: Work, { length }: readonly PlanNode[]): boolean =>
  frameSplit !== null && length > 1 && length <= frameSplit.frames;

/**
 * Frames in equal parts; of sites, a node gets the others' frames, and gives back as much. The
 * first gives its own first frame to all.
 */
function framesMs(work: Work, nodes: readonly PlanNode[]): number {
  const { frameSplit, prompts, iterations, units } = work;
  if (frameSplit === null) return Number.POSITIVE_INFINITY;
  const { frames, readyMs, passBytes, haloBytes, siteBytes, passWaits } = frameSplit;
  const size = nodes.length;
  const share = Math.ceil(frames / size) / frames;
  const givenBytes = (size - 1) * (passBytes + haloBytes / 2);
  const sharedBytes = (siteBytes * share * (size - 1)) / size;
  const crossing = sharedBytes + Math.max(haloBytes, givenBytes);
  const waitsMs = passWaits * waitMs(nodes);
  const passMs = slowestOf(nodes) * share + transferMs(crossing, nodes) + waitsMs;
  return readyMs + prompts * iterations * units * passMs;
}
