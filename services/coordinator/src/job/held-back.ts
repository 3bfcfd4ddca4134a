import type { EditView, NodeView } from "./cluster-state.js";
import { type EditRecord, isTerminal } from "./edit-record.js";
import { iterationsOf, mayChoose, plannedPiece } from "./phase-work.js";
import { startableUnits } from "./phases.js";
import { eligibility, isIdle } from "./placement.js";
import { atOnceFor } from "./stages.js";
import { putEdit, type Turn } from "./turn.js";

/**
 * Chooses how several prompts of an edit are sampled by all nodes that there are for it: whether
 * some wait while groups of nodes share the frames of others. It holds until there are more nodes
 * or fewer.
 *
 * Where another edit is there, no prompt waits: whole prompts are what nodes do best, and then
 * there is work for all of them.
 */
export function planPrompts(turn: Turn): void {
  const open = [...turn.state.edits.values()].filter(({ record }) => !isTerminal(record));
  for (const view of open) {
    const isAlone = open.length === 1 && mayChoose(view.record.spec);
    const sampling = isAlone ? plannedSampling(turn, view) : null;
    if (sampling !== view.sampling) putEdit(turn, { ...view, sampling });
  }
}

function plannedSampling(turn: Turn, { record, sampling }: EditView): EditView["sampling"] {
  const { waiting, running } = promptsLeft(record);
  const prompts = waiting + running;
  if (prompts < 2) return null;
  const nodes = nodesFor(turn, record);
  if (nodes.length === 0 || nodes.length === sampling?.nodeCount) return sampling;
  if (waiting === 0) return null;
  const iterationsLeft = iterationsOf(record);
  const piece = { kind: "sample", frames: 0, prompts, iterationsLeft, mayHoldBack: true } as const;
  const plan = plannedPiece(turn.state, record, { piece, nodes });
  return plan && { plan, nodeIds: new Set(plan.nodeIds), nodeCount: nodes.length };
}

/** Nodes that are free, or work for this edit: when they end that, they go on with the next. */
function nodesFor({ state }: Turn, record: EditRecord): readonly NodeView[] {
  const isEligible = eligibility(state, record, "sample");
  return [...state.nodes.values()].filter((node) => {
    const isOwn =
      node.state === "ready" &&
      node.tasks.length > 0 &&
      node.tasks.every(({ editId }) => editId === record.id);
    return (isOwn || isIdle(node, state.leaseClock.nowMs)) && isEligible(node);
  });
}

/** Prompts of an edit that could begin, and those that are being sampled. */
export function promptsLeft(record: EditRecord): {
  readonly waiting: number;
  readonly running: number;
} {
  const waiting = startableUnits(record).filter(({ kind }) => kind === "sample").length;
  const running = record.tasks.filter(({ kind, helps }) => kind === "sample" && helps === "");
  return { waiting, running: running.length };
}

/** Whether a node may help with a prompt: not where the plan for all prompts leaves it out. */
export function mayHelp({ sampling }: EditView, { info }: NodeView): boolean {
  return sampling === null || sampling.nodeIds.has(info.nodeId);
}

/** Whether as many prompts of an edit are being sampled as shall be at once. */
export function isPromptHeldBack({ record, sampling }: EditView): boolean {
  if (sampling === null) return false;
  const left = promptsLeft(record);
  return left.running >= atOnceFor(sampling.plan.stages, left);
}
