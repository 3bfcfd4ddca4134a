import type { NodeView } from "./cluster-state.js";
import { servedModel } from "./pass-memory.js";
import { plannedPiece } from "./phase-work.js";
import { idleNodesFor } from "./placement.js";
import { gainMin, type Plan } from "./planning.js";
import { hasHeir } from "./quorum.js";
import { editOf, type Turn } from "./turn.js";

/** Weights and two moments: what a joiner copies before the others can go on with it. */
const vectorsCopied = 3;

/** Idle nodes that shall draw for a tuning, and how it is laid out with them. */
export interface Joiners {
  readonly nodes: readonly NodeView[];
  /** Null where nobody joins. */
  readonly plan: Plan | null;
}

const nobody: Joiners = { nodes: [], plan: null };

/**
 * The idle nodes with which a tuning under way would end soonest, what they have to copy first
 * included; none where it would not be sooner. Where nothing is measured, or draws over nodes were
 * asked for, all that there are draws for, as when it began.
 */
export function joinersFor(turn: Turn, editId: string): Joiners {
  const { record, tune } = editOf(turn, editId);
  if (tune === null || turn.state.isStoreFull || !hasHeir(turn.state, tune.members)) return nobody;
  const members = tune.members.flatMap(({ nodeId }) => turn.state.nodes.get(nodeId) ?? []);
  const room = Math.min(record.spec.settings.draws, turn.options.membersMax) - tune.members.length;
  const idle = room > 0 ? idleNodesFor(turn.state, record, "tune").slice(0, room) : [];
  if (idle.length === 0) return nobody;
  const now = planOfAll(turn, editId, members);
  const ranked = fastestFirst(turn, editId, idle);
  const options = ranked.flatMap((_, index): (Joiners & { readonly plan: Plan })[] => {
    const nodes = ranked.slice(0, index + 1);
    const plan = planOfAll(turn, editId, [...members, ...nodes]);
    return plan === null ? [] : [{ nodes, plan }];
  });
  const isAsked = record.spec.layout === "draws";
  const isWeighed = !isAsked && now !== null && now.predictedMs > 0;
  const [best] = isWeighed
    ? options.toSorted((a, b) => a.plan.predictedMs - b.plan.predictedMs)
    : options.slice(-1);
  if (best === undefined) return nobody;
  if (!isWeighed) return best;
  const copyMs = tune.atStep === 0 ? 0 : copiedMs(turn, editId, best.nodes);
  return best.plan.predictedMs + copyMs < now.predictedMs * (1 - gainMin) ? best : nobody;
}

/** How what is left of a tuning is laid out over some nodes; null where it has no use for all. */
function planOfAll(turn: Turn, editId: string, nodes: readonly NodeView[]): Plan | null {
  const { record, tune } = editOf(turn, editId);
  const committedSteps = tune?.committedSteps ?? 0;
  const begun = { ...record, tuning: { ...record.tuning, committedSteps } };
  const piece = { kind: "tune", frames: 0, prompts: 1, iterationsLeft: 0 } as const;
  const plan = plannedPiece(turn.state, begun, { piece, nodes });
  const whole = plan?.weighed.find(({ nodeIds }) => nodeIds.length === nodes.length);
  return plan === null || whole === undefined ? null : { ...plan, ...whole };
}

/** As the planner would take them; as they are where it has no use for all of them. */
function fastestFirst(turn: Turn, editId: string, nodes: readonly NodeView[]): readonly NodeView[] {
  const { nodeIds = [] } = planOfAll(turn, editId, nodes) ?? {};
  const ranked = nodeIds.flatMap((nodeId) => turn.state.nodes.get(nodeId) ?? []);
  return ranked.length === nodes.length ? ranked : nodes;
}

/** Until joiners have the state of the last step: all of them copy it from one member. */
function copiedMs(turn: Turn, editId: string, nodes: readonly NodeView[]): number {
  const { model } = editOf(turn, editId).record.spec;
  const bytes = nodes.map(
    ({ info }) => 4 * vectorsCopied * (servedModel(info, model)?.tunedParameters ?? 0),
  );
  const rates = nodes.flatMap(({ rates: { bytesPerSecond } }) => bytesPerSecond || []);
  const slowest = Math.min(...rates);
  return Number.isFinite(slowest) ? (1000 * bytes.reduce((a, b) => a + b, 0)) / slowest : 0;
}
