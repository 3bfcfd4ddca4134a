import type { ClusterState, NodeTask, NodeView } from "./cluster-state.js";
import type { EditRecord, Phase } from "./edit-record.js";
import { fits, serves, shortfallOf, shortfalls, shortfallText } from "./pass-memory.js";

/**
 * Whether nodes may take work of a phase of an edit at all, busy or not. One of those that begin it
 * must have others of its numerics id for the phases that do not fit on it.
 */
export function eligibility(
  { nodes }: ClusterState,
  record: EditRecord,
  phase: Phase,
): (node: NodeView) => boolean {
  const { spec, numericsId, memoryBytesMin } = record;
  let missing: ReturnType<typeof shortfalls> | undefined;
  const mayBegin = (node: NodeView): boolean => {
    missing ??= shortfalls(nodes.values(), record);
    return missing.get(node.info.numericsId) === null;
  };
  return (node) => {
    const { info } = node;
    if (!serves(node, spec.model) || !fits(node, record, phase)) return false;
    if (info.memoryBytes !== 0 && info.memoryBytes < memoryBytesMin) return false;
    return numericsId === "" ? mayBegin(node) : info.numericsId === numericsId;
  };
}

/** Whether a node would begin a task at once. */
export function isIdle(node: NodeView, leaseNowMs: number): boolean {
  return node.state === "ready" && node.tasks.length === 0 && leaseNowMs >= node.restsUntilMs;
}

/** Whether a node's tasks are all over, but for the news that they have ended there. */
export function freedSoon({ edits }: ClusterState): (node: NodeView) => boolean {
  const named = new Map<string, ReadonlySet<string>>();
  const isNamed = ({ editId, taskId }: NodeTask): boolean => {
    const ids = named.get(editId) ?? new Set(edits.get(editId)?.record.tasks.map(({ id }) => id));
    named.set(editId, ids);
    return ids.has(taskId);
  };
  return ({ state, tasks }) => state === "ready" && tasks.length > 0 && !tasks.some(isNamed);
}

/**
 * The nodes that idle or will soon, for help with a phase of an edit: those also that decode for
 * it, which takes little against what they would help with.
 */
export function soonIdleFor(
  state: ClusterState,
  record: EditRecord,
  phase: Phase,
): readonly NodeView[] {
  const isEligible = eligibility(state, record, phase);
  const decodes = new Set(record.tasks.flatMap(({ id, kind }) => (kind === "decode" ? id : [])));
  const isDecode = ({ taskId }: NodeTask): boolean => decodes.has(taskId);
  const isFreedSoon = freedSoon(state);
  return [...state.nodes.values()].filter((node) => {
    const isDecoding =
      node.state === "ready" && node.tasks.length > 0 && node.tasks.every(isDecode);
    return (isDecoding || isFreedSoon(node)) && isEligible(node);
  });
}

/**
 * The idle nodes for a phase of an edit, best first: those that have its model loaded, then the
 * fastest, then by name. An edit stays within the numerics id that it began with, so that its bits
 * do not change half-way; loading another model takes longer than any difference of speed.
 */
export function idleNodesFor(
  state: ClusterState,
  record: EditRecord,
  phase: Phase,
): readonly NodeView[] {
  const nodes: NodeView[] = [];
  const isEligible = eligibility(state, record, phase);
  for (const node of state.nodes.values()) {
    if (isIdle(node, state.leaseClock.nowMs) && isEligible(node)) nodes.push(node);
  }
  if (nodes.length < 2) return nodes;
  const missing = (node: NodeView): number => Number(node.modelLoaded !== record.spec.model);
  const rate = (node: NodeView): number => node.rates.flopsPerSecond;
  return nodes.sort(
    (a, b) =>
      missing(a) - missing(b) || rate(b) - rate(a) || (a.info.nodeId < b.info.nodeId ? -1 : 1),
  );
}

/** Why no node takes an edit's work, in words. */
export function whyWaits(state: ClusterState, record: EditRecord): string {
  const nodes = [...state.nodes.values()];
  if (nodes.length === 0) return "waits: no node has joined";
  const serving = nodes.filter((node) => serves(node, record.spec.model));
  if (serving.length === 0) return `waits: no node serves the model ${record.spec.model}`;
  const eligible = serving.filter(eligibility(state, record, record.phase));
  if (eligible.length > 0) return `waits: all ${eligible.length} nodes for it are busy or resting`;
  const { numericsId } = record;
  if (serving.every(({ info }) => numericsId !== "" && info.numericsId !== numericsId)) {
    return `waits: no node computes with the numerics id ${numericsId} that it began with`;
  }
  const shortfall = shortfallOf(serving, record);
  if (shortfall !== null) return `waits for memory: ${shortfallText(shortfall)}`;
  return `waits: no node that serves ${record.spec.model} has the memory`;
}
