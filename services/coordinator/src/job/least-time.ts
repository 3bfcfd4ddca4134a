import type { NodeInfo, NodeView, PassKind } from "./cluster-state.js";
import type { EditSpec } from "./edit-record.js";
import { servedModel, serves } from "./pass-memory.js";
import { iterationsAsked } from "./phase-work.js";

/** What decides how much there is to compute for an edit. */
export type WorkSizes = Pick<EditSpec, "model" | "prompts" | "settings">;

/** The least time that nodes take for an edit, and what it comes from. */
export interface LeastTime {
  readonly ms: number;
  readonly flops: number;
  /** Of all these nodes together. */
  readonly flopsPerSecond: number;
  readonly nodeCount: number;
}

/**
 * What a node measures when it starts is a pass of two small frames. Large ones may be computed
 * this much faster: until one was measured, nothing is refused that so fast a node could do.
 */
const largePassGain = 4;

/** A measured pass is large if it has this part of the pixels of those that are asked for. */
const largePartMin = 0.5;

/** Floating-point operations of a pass, as a node told; undefined where it did not. */
function flopsOfPass(
  info: Pick<NodeInfo, "models">,
  model: string,
  pass: { kind: PassKind; isLow: boolean; frames: number; pixelsPerFrame: number },
): number | undefined {
  const { kind, isLow, frames, pixelsPerFrame } = pass;
  const told = servedModel(info, model)?.passFlops.find(
    (flops) => flops.kind === kind && flops.lowMemory === isLow,
  );
  if (told === undefined) return undefined;
  return frames * pixelsPerFrame * (told.flopsPerPixel + told.flopsPerPixelPair * pixelsPerFrame);
}

/** Floating-point operations of all passes of an edit; undefined where the node does not tell. */
export function flopsOfEdit(
  info: Pick<NodeInfo, "models">,
  { model, prompts, settings }: WorkSizes,
): number | undefined {
  const { frames, steps, draws, guidance } = settings;
  const size = { frames, pixelsPerFrame: settings.width * settings.height };
  const iterations = iterationsAsked(settings);
  const sampled = prompts.length * iterations * (guidance === 1 ? 1 : 2);
  const counts: Readonly<Record<PassKind, number>> = {
    ...{ encode: 1, gradients: steps * draws, unet: iterations + sampled, decode: prompts.length },
  };
  let sum = 0;
  for (const [kind, count] of Object.entries(counts) as readonly [PassKind, number][]) {
    const isLow = kind === "gradients" && settings.memory === "low";
    const flops = flopsOfPass(info, model, { kind, isLow, ...size });
    if (flops === undefined) return undefined;
    sum += count * flops;
  }
  return sum;
}

/** How fast a node computes large passes of a model at best; 0 where nothing tells. */
function bestRate({ info, rates }: NodeView, { model, settings }: WorkSizes): number {
  const hash = servedModel(info, model)?.hash;
  const pixels = settings.frames * settings.width * settings.height;
  const measured = rates.passes.flatMap((time) => {
    const { kind, frames, pixelsPerFrame, durationMs, passesAtOnce } = time;
    const isLarge = frames * pixelsPerFrame >= largePartMin * pixels;
    const isUNet = kind === "unet" || kind === "gradients";
    if (time.modelHash !== hash || !isUNet || !isLarge || durationMs === 0) return [];
    // It is not told whether gradients were computed with memory low, which takes more.
    const told = [false, true].flatMap(
      (isLow) => flopsOfPass(info, model, { kind, isLow, frames, pixelsPerFrame }) ?? [],
    );
    return (1000 * passesAtOnce * Math.max(0, ...told)) / durationMs;
  });
  if (measured.length > 0) return Math.max(rates.flopsPerSecond, ...measured);
  return largePassGain * rates.flopsPerSecond;
}

/**
 * The least time in which nodes could do an edit: all its floating-point operations at the best
 * rates that they have shown, divided over all of them, as if nothing crossed between them and none
 * had other work. Of the nodes of one numerics id, since an edit stays within one.
 *
 * @returns  null where nothing can be said: no node, or one that does not tell
 */
export function leastTime(nodes: Iterable<NodeView>, edit: WorkSizes): LeastTime | null {
  const groups = new Map<string, NodeView[]>();
  for (const node of nodes) {
    if (!serves(node, edit.model) || node.state === "draining" || node.state === "held") continue;
    const { numericsId } = node.info;
    groups.set(numericsId, [...(groups.get(numericsId) ?? []), node]);
  }
  const times: LeastTime[] = [];
  for (const group of groups.values()) {
    const [first] = group;
    const flops = first && flopsOfEdit(first.info, edit);
    const rates = group.map((node) => bestRate(node, edit));
    if (flops === undefined || rates.includes(0)) return null;
    const flopsPerSecond = rates.reduce((sum, rate) => sum + rate, 0);
    const ms = (1000 * flops) / flopsPerSecond;
    times.push({ ms, flops, flopsPerSecond, nodeCount: group.length });
  }
  return times.toSorted((a, b) => a.ms - b.ms)[0] ?? null;
}

/** What there is to compute, by how many, and how long that takes, in words. */
export function leastTimeText({ ms, flops, flopsPerSecond, nodeCount }: LeastTime): string {
  const rate = `${operationsText(flopsPerSecond)} a second`;
  const nodes = nodeCount === 1 ? "1 node" : `${nodeCount} nodes`;
  return `${operationsText(flops)} take at least ${secondsText(ms)} (${nodes}: ${rate})`;
}

/** As many digits as predictions are worth. */
function operationsText(flops: number): string {
  const units = ["MFLOP", "GFLOP", "TFLOP", "PFLOP"] as const;
  const at = units.findLastIndex((_, index) => flops >= 1000 ** (index + 2));
  const index = Math.max(0, at);
  return `${(flops / 1000 ** (index + 2)).toFixed(1)} ${units[index]}`;
}

export const secondsText = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
