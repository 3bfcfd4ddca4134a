import type { NodeInfo, NodeView } from "./cluster-state.js";
import type { EditRecord, EditSpec, Phase } from "./edit-record.js";
import { passKinds } from "./pass-times.js";

/** What decides how much memory the passes of an edit take. */
export type PassSizes = Pick<EditRecord, "framesPerPass"> & {
  readonly spec: Pick<EditSpec, "model" | "settings">;
};

/** A phase that fits on none of some nodes. */
export interface Shortfall {
  readonly phase: Phase;
  /** The least that one of them tells. */
  readonly neededBytes: number;
  /** Of the largest. */
  readonly hadBytes: number;
}

/** What a node told of a model, named by hash or by name; undefined where it does not serve it. */
export function servedModel(
  { models }: Pick<NodeInfo, "models">,
  model: string,
): NodeInfo["models"][number] | undefined {
  return models.find(({ hash, name }) => hash === model || name === model);
}

export function serves({ info }: NodeView, model: string): boolean {
  return servedModel(info, model) !== undefined;
}

/** Bytes that a pass of a phase takes on a node, as the node told; 0 where it did not. */
export function memoryNeeded(info: NodeInfo, edit: PassSizes, phase: Phase): number {
  const { model, settings } = edit.spec;
  const kind = passKinds[phase];
  const isLow = kind === "gradients" && settings.memory === "low";
  const memory = servedModel(info, model)?.passMemory.find(
    (pass) => pass.kind === kind && pass.lowMemory === isLow,
  );
  if (memory === undefined) return 0;
  const pixels = settings.width * settings.height * framesOfPass(edit, phase);
  return Math.ceil(memory.fixedBytes + memory.bytesPerPixel * pixels);
}

/** Frames that go through the network at once, those of both branches where they are joined. */
function framesOfPass(edit: PassSizes, phase: Phase): number {
  const { frames } = edit.spec.settings;
  if (phase === "encode" || phase === "decode") return Math.min(edit.framesPerPass, frames);
  return joinsBranches(edit, phase) ? 2 * frames : frames;
}

/** Whether both branches of guidance go through the network in one pass. */
export function joinsBranches({ spec, framesPerPass }: PassSizes, phase: Phase): boolean {
  return phase === "sample" && framesPerPass > 1 && spec.settings.guidance !== 1;
}

/** Smaller passes for the same work, if the phase has such; null where it cannot be cut. */
export function smallerFramesPerPass(edit: PassSizes, phase: Phase): number | null {
  const { frames, guidance } = edit.spec.settings;
  const { framesPerPass } = edit;
  if (framesPerPass <= 1) return null;
  // Branches that are not joined are a pass each.
  if (phase === "sample") return guidance === 1 ? null : 1;
  if (phase !== "encode" && phase !== "decode") return null;
  return Math.max(1, Math.floor(Math.min(framesPerPass, frames) / 2));
}

/** Whether a pass of a phase has room on a node, as far as both are known. */
export function fits(node: NodeView, edit: PassSizes, phase: Phase): boolean {
  const { memoryBytes } = node.info;
  return memoryBytes === 0 || memoryNeeded(node.info, edit, phase) <= memoryBytes;
}

/** The phase that is furthest from fitting on any of some nodes; null where each fits on one. */
export function shortfallOf(nodes: readonly NodeView[], edit: PassSizes): Shortfall | null {
  const { steps } = edit.spec.settings;
  const tuned: readonly Phase[] = steps > 0 ? ["tune"] : [];
  const worst = (["encode", ...tuned, "invert", "sample", "decode"] as const)
    .filter((phase) => !nodes.some((node) => fits(node, edit, phase)))
    .map((phase) => ({
      phase,
      neededBytes: Math.min(...nodes.map(({ info }) => memoryNeeded(info, edit, phase))),
      hadBytes: Math.max(...nodes.map(({ info }) => info.memoryBytes)),
    }))
    .toSorted((a, b) => b.neededBytes - b.hadBytes - (a.neededBytes - a.hadBytes));
  return worst[0] ?? null;
}

/**
 * What is missing of memory for an edit, on the nodes of each numerics id: it stays within the one
 * that it begins with, so a node for each phase must be among them.
 *
 * @returns  by numerics id of the nodes that serve the model; null where nothing is missing
 */
export function shortfalls(
  nodes: Iterable<NodeView>,
  edit: PassSizes,
): ReadonlyMap<string, Shortfall | null> {
  const groups = new Map<string, NodeView[]>();
  for (const node of nodes) {
    if (!serves(node, edit.spec.model)) continue;
    const { numericsId } = node.info;
    groups.set(numericsId, [...(groups.get(numericsId) ?? []), node]);
  }
  return new Map([...groups].map(([numericsId, group]) => [numericsId, shortfallOf(group, edit)]));
}

/**
 * The largest passes, of those of an edit or halves of them, with which it fits on nodes of one
 * numerics id; what is missing with the smallest, where it never does. Where no node serves its
 * model there is nothing to judge by.
 */
export function fittingPasses(
  nodes: Iterable<NodeView>,
  edit: PassSizes,
): { readonly framesPerPass: number; readonly shortfall: Shortfall | null } {
  const all = [...nodes];
  let { framesPerPass } = edit;
  for (;;) {
    const missing = [...shortfalls(all, { ...edit, framesPerPass }).values()];
    if (missing.length === 0) return { framesPerPass: edit.framesPerPass, shortfall: null };
    if (missing.includes(null)) return { framesPerPass, shortfall: null };
    if (framesPerPass <= 1) return { framesPerPass, shortfall: leastOf(missing) };
    framesPerPass = Math.floor(framesPerPass / 2);
  }
}

function leastOf(missing: readonly (Shortfall | null)[]): Shortfall | null {
  const lacking = ({ neededBytes, hadBytes }: Shortfall): number => neededBytes - hadBytes;
  const known = missing.flatMap((shortfall) => shortfall ?? []);
  return known.toSorted((a, b) => lacking(a) - lacking(b))[0] ?? null;
}

/** A phase, what it takes and what there is, in words. */
export function shortfallText({ phase, neededBytes, hadBytes }: Shortfall): string {
  const needed = `${phase} needs about ${bytesText(neededBytes)}`;
  return `${needed}, the largest node has ${bytesText(hadBytes)}`;
}

/** As many digits as predictions are worth. */
export function bytesText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
