import type { ClusterState, NodeTask, NodeView } from "./cluster-state.js";
import type { EditRecord } from "./edit-record.js";

/** Whether a node serves a model, named by hash or by name. */
export function serves({ info }: NodeView, model: string): boolean {
  return info.models.some(({ hash, name }) => hash === model || name === model);
}

/** Whether a node may take work of an edit at all, busy or not. */
export function isEligible(node: NodeView, record: EditRecord): boolean {
  const { spec, numericsId, memoryBytesMin } = record;
  const { info } = node;
  const memoryBytes = Math.max(memoryBytesMin, spec.memoryBytesNeeded);
  const hasNumerics = numericsId === "" || info.numericsId === numericsId;
  const hasMemory = info.memoryBytes === 0 || info.memoryBytes >= memoryBytes;
  return hasNumerics && hasMemory && serves(node, spec.model);
}

/** Whether a node would begin a task at once. */
export function isIdle(node: NodeView, leaseNowMs: number): boolean {
  return node.state === "ready" && node.tasks.length === 0 && leaseNowMs >= node.restsUntilMs;
}

/** Whether a node's tasks are all over, but for the news that they have ended there. */
export function isFreedSoon({ edits }: ClusterState, { state, tasks }: NodeView): boolean {
  const isNamed = ({ editId, taskId }: NodeTask): boolean =>
    edits.get(editId)?.record.tasks.some(({ id }) => id === taskId) ?? false;
  return state === "ready" && tasks.length > 0 && !tasks.some(isNamed);
}

/**
 * The idle nodes for an edit, best first: those that have its model loaded, then the fastest, then
 * by name. An edit stays within the numerics id that it began with, so that its bits do not change
 * half-way; loading another model takes longer than any difference of speed.
 */
export function idleNodesFor(state: ClusterState, record: EditRecord): readonly NodeView[] {
  const nodes: NodeView[] = [];
  for (const node of state.nodes.values()) {
    if (isIdle(node, state.leaseClock.nowMs) && isEligible(node, record)) nodes.push(node);
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
  const eligible = serving.filter((node) => isEligible(node, record));
  if (eligible.length > 0) return `waits: all ${eligible.length} nodes for it are busy or resting`;
  const { numericsId } = record;
  if (serving.every(({ info }) => numericsId !== "" && info.numericsId !== numericsId)) {
    return `waits: no node computes with the numerics id ${numericsId} that it began with`;
  }
  return `waits: no node that serves ${record.spec.model} has the memory`;
}
