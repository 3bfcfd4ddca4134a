import type { LayoutName } from "./edit-record.js";
import {
  branchMs,
  canShare,
  framesMs,
  type PlanNode,
  servedMs,
  startMs,
  transferMs,
  unitShares,
  unitsMs,
  type Work,
  waitMs,
} from "./predictions.js";
import { type Stage, stagedPrompts } from "./stages.js";

export interface LayoutPlan {
  readonly layout: LayoutName;
  readonly nodeIds: readonly string[];
  /** 0: not known. */
  readonly predictedMs: number;
  /** Of prompts, in their order; none for other layouts, and where nothing was measured. */
  readonly stages: readonly Stage[];
}

export interface Plan extends LayoutPlan {
  readonly reason: string;
  /** Frames of the VAE by node; empty for other layouts. */
  readonly shares: ReadonlyMap<string, number>;
  /** All that were weighed, fastest first. */
  readonly weighed: readonly LayoutPlan[];
}

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
  const weighed = [...new Set<LayoutName>(["one", ...layouts])]
    .flatMap((layout) => layoutPlans(work, ranked, { layout, isForced }))
    .toSorted((a, b) => a.predictedMs - b.predictedMs || a.nodeIds.length - b.nodeIds.length);
  const asked = isForced ? weighed.filter(({ layout }) => layout === (layouts[0] ?? "one")) : [];
  const best = bestOf(asked.length > 0 ? mostNodes(asked) : weighed);
  if (best === null) return null;
  const whole = { ...best, weighed, shares: sharesOf(best, work, nodes) };
  if (!isForced) return { ...whole, reason: reasonOf(best, weighed) };
  const how = asked.length > 0 ? "as asked for" : `${layouts[0]} was asked for, and does not fit`;
  return { ...whole, reason: `${told(best)}, ${how}` };
}

/** A layout on the fastest nodes, for each number of them that it can have. */
function layoutPlans(
  work: Work,
  ranked: readonly PlanNode[],
  { layout, isForced }: { layout: LayoutName; isForced: boolean },
): readonly LayoutPlan[] {
  const { prompts } = work;
  const idsOf = (count: number) => ranked.slice(0, count).map(({ nodeId }) => nodeId);
  if (layout === "prompts") {
    return stagedPrompts(work, ranked, { isHelped: !isForced }).map(
      ({ stages, nodeCount, ms: predictedMs }) => {
        return { layout, nodeIds: idsOf(nodeCount), predictedMs, stages };
      },
    );
  }
  return ranked.slice(0, nodesMaxOf(work, layout)).flatMap((_, index): LayoutPlan[] => {
    const predictedMs = predictedFor(work, ranked.slice(0, index + 1), layout);
    if (predictedMs === null) return [];
    const stages = layout === "one" && prompts > 1 ? [{ prompts, atOnce: 1 }] : [];
    return [{ layout, nodeIds: idsOf(index + 1), predictedMs, stages }];
  });
}

/** How many nodes a layout can use at most: of a thousand, the others need not be looked at. */
function nodesMaxOf({ units, frameSplit }: Work, layout: Exclude<LayoutName, "prompts">): number {
  switch (layout) {
    case "one":
      return 1;
    case "branches":
      return 2;
    case "draws":
    case "vae-frames":
      return units;
    case "frames":
      return frameSplit?.frames ?? 0;
  }
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
  const plan = { layout, nodeIds, predictedMs: 0, stages: [] };
  return { ...plan, reason, weighed: [plan], shares: sharesOf(plan, work, nodes) };
}

const named = ({ layout, nodeIds }: Pick<LayoutPlan, "layout" | "nodeIds">): string =>
  layout === "one" ? `one node (${nodeIds[0]})` : `${layout} on ${nodeIds.join(", ")}`;

const durationText = (ms: number): string =>
  ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

const told = (plan: LayoutPlan): string =>
  `${named(plan)}${stagesText(plan)} in ${durationText(plan.predictedMs)}`;

/** Said only where not every prompt has a node of its own at once, as far as there are nodes. */
function stagesText({ stages, nodeIds }: LayoutPlan): string {
  const isPlain = stages.every(
    ({ prompts, atOnce }) => stages.length === 1 && atOnce >= Math.min(prompts, nodeIds.length),
  );
  if (isPlain) return "";
  const texts = stages.map(
    ({ prompts, atOnce }) => `${prompts} ${prompts === 1 ? "prompt" : "prompts"} by ${atOnce}`,
  );
  return ` (${texts.join(", then ")})`;
}

function reasonOf(best: LayoutPlan, weighed: readonly LayoutPlan[]): string {
  const others = weighed.filter(({ layout }) => layout !== best.layout);
  const next = others.find(({ nodeIds }) => nodeIds.length > 1) ?? others[0];
  if (next === undefined) return told(best);
  return `${told(best)}; ${best.layout === "one" ? "declined" : "slower"}: ${told(next)}`;
}

/** Milliseconds of a phase on these nodes, all used; null where the layout cannot use them. */
function predictedFor(
  work: Work,
  nodes: readonly PlanNode[],
  layout: Exclude<LayoutName, "prompts">,
): number | null {
  const size = nodes.length;
  const { prompts, iterations, units } = work;
  const all = prompts * iterations;
  switch (layout) {
    case "one":
      return size === 1 ? all * unitsMs(work, nodes) : null;
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

/** Frames of the VAE: all come back to the coordinator. */
function vaeMs(work: Work, nodes: readonly PlanNode[]): number {
  const returnMs = servedMs(work.units * work.returnBytes, nodes);
  return startMs(work, nodes) + Math.max(unitsMs(work, nodes), returnMs);
}

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
