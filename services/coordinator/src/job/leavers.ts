import type { ClusterState, NodeView } from "./cluster-state.js";

/** What a pool is made of, and so whom it can take away. */
export type PoolKind = "static" | "stateful-set" | "leader-worker-set";

/** A pool as it is asked to be at the moment. */
export interface PoolView {
  readonly kind: PoolKind;
  /** What the names of its nodes begin with; empty: they are called anything. */
  readonly name: string;
  /** Nodes that there are to be; of a LeaderWorkerSet, groups. */
  readonly count: number;
}

/** A node that has to leave, and why it is this one. */
export interface Leaver {
  readonly nodeId: string;
  readonly reason: string;
}

export interface Leaving {
  readonly leavers: readonly Leaver[];
  /** In words: what is counted, and who chooses. */
  readonly reason: string;
}

/**
 * Decides which nodes go when a pool shrinks.
 *
 * Controllers of Kubernetes choose by number alone, the highest first, whatever those nodes do: so
 * here the choice is theirs, and what is ours is that these hand over before. Where nobody else
 * chooses, it is the nodes whose going costs least.
 *
 * @param count  that there shall be, less than there are
 */
export function whoLeaves(state: ClusterState, pool: PoolView, count: number): Leaving {
  if (pool.kind === "static") return cheapest(state, count);
  const unit = pool.kind === "stateful-set" ? "ordinal" : "group index";
  const leavers = [...state.nodes.values()]
    .map(({ info }) => ({ nodeId: info.nodeId, index: indexIn(pool, info.nodeId) }))
    .filter(({ index }) => index >= count)
    .toSorted((a, b) => b.index - a.index || (a.nodeId < b.nodeId ? -1 : 1))
    .map(({ nodeId, index }) => ({
      nodeId,
      reason: `${unit} ${index}, and ${count} is the first`,
    }));
  const whole = pool.kind === "stateful-set" ? "" : ", whole groups";
  const reason = `${pool.kind} ${pool.name} removes the highest first${whole}`;
  return { leavers, reason: `${reason}: from ${unit} ${count} on` };
}

/** Nodes that a pool without a controller counts: those that have not been asked to go. */
export function staysInPool({ state }: Pick<NodeView, "state">): boolean {
  return state === "ready" || state === "quarantined";
}

/** The number in the name of a pod: its ordinal, or its group's index; -1 for another's pod. */
function indexIn({ kind, name }: PoolView, nodeId: string): number {
  if (!nodeId.startsWith(`${name}-`)) return -1;
  const rest = nodeId.slice(name.length + 1);
  // A leader is NAME-GROUP, its workers are NAME-GROUP-WORKER.
  const pattern = kind === "stateful-set" ? /^(\d{1,9})$/ : /^(\d{1,9})(?:-\d{1,9})?$/;
  return Number(pattern.exec(rest)?.[1] ?? -1);
}

/** What it costs that a node goes: compared part by part, the least first. */
interface Cost {
  readonly nodeId: string;
  readonly reason: string;
  readonly parts: readonly number[];
}

function cheapest(state: ClusterState, count: number): Leaving {
  const costs = [...state.nodes.values()]
    .filter(staysInPool)
    .map((node) => costOf(state, node))
    .toSorted(compareCosts);
  const leavers = costs.slice(0, Math.max(0, costs.length - count));
  return {
    leavers: leavers.map(({ nodeId, reason }) => ({ nodeId, reason })),
    reason: `of ${costs.length} nodes those go that have least to hand over; who tunes goes last`,
  };
}

function compareCosts(a: Cost, b: Cost): number {
  for (const [index, part] of a.parts.entries()) {
    const difference = part - (b.parts[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.nodeId < b.nodeId ? -1 : 1;
}

/** Of nodes that cost the same, the one that joined last goes: it has the least in its caches. */
function costOf(state: ClusterState, node: NodeView): Cost {
  const { nodeId } = node.info;
  const work = node.tasks.flatMap(({ editId, taskId }) => {
    const view = state.edits.get(editId);
    const task = view?.record.tasks.find(({ id }) => id === taskId);
    const done = view?.progress.get(taskId)?.done ?? 0;
    return task === undefined ? [] : [{ editId, task, done }];
  });
  const own = work.filter(({ task }) => task.helps === "");
  const done = own.reduce((sum, one) => sum + one.done, 0);
  const cost = (rank: number, reason: string): Cost => ({
    ...{ nodeId, reason },
    parts: [rank, own.length, done, -node.joinedMs],
  });
  const [first] = own;
  const tuning = own.find(({ task }) => task.kind === "tune");
  if (tuning !== undefined) return cost(4, `it tunes ${tuning.editId}, ${done} steps done`);
  if (first !== undefined) {
    return cost(3, `its ${first.task.kind} of ${first.editId} has done ${done} units`);
  }
  if (work.length > 0) return cost(2, "it helps another, which goes on without it");
  if (node.state === "quarantined") return cost(0, "it is quarantined, and does no work");
  return cost(1, "it is idle");
}
