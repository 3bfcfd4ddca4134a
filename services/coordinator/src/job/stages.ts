import {
  branchMs,
  canShare,
  framesMs,
  type PlanNode,
  startMs,
  unitsMs,
  type Work,
} from "./predictions.js";

/** Prompts that are sampled with no more than so many at once: as many groups of nodes. */
export interface Stage {
  readonly prompts: number;
  readonly atOnce: number;
}

/** All prompts of an edit in stages, one after the other. */
export interface Staged {
  readonly stages: readonly Stage[];
  /** Of the stage that uses most. */
  readonly nodeCount: number;
  readonly ms: number;
}

/** So many prompts at once, each by a group of nodes. */
interface Round {
  readonly atOnce: number;
  readonly nodeCount: number;
  readonly ms: number;
}

const nothing: Staged = { stages: [], nodeCount: 0, ms: 0 };

/**
 * How the prompts of an edit can be sampled: first some of them in rounds of groups that share
 * frames or branches, then the others, each by one node. Larger groups come first: all nodes are
 * free then, and single nodes need not wait for each other.
 *
 * Where prompts may not be held back, each begins as soon as there is a node for it.
 *
 * @param nodes     fastest first
 * @param isHelped  whether nodes help each other
 * @returns         the fastest for each number of nodes
 */
export function stagedPrompts(
  work: Work,
  nodes: readonly PlanNode[],
  { isHelped }: { readonly isHelped: boolean },
): readonly Staged[] {
  const { prompts, mayHoldBack } = work;
  if (prompts < 2) return [];
  const starts = startTimes(work, nodes);
  const choices = isHelped ? roundsOf(work, nodes, starts) : [];
  const sharing = choices.map((rounds) => sharedStages(prompts, rounds));
  const found = new Map<number, Staged>();
  const weigh = (staged: Staged): void => {
    const before = found.get(staged.nodeCount);
    if (before === undefined || staged.ms < before.ms) found.set(staged.nodeCount, staged);
  };
  const begun = (staged: Staged): Staged => {
    return { ...staged, ms: staged.ms + starts(staged.nodeCount) };
  };
  for (const { atOnce, nodeCount, ms } of mayHoldBack ? [] : choices.flat()) {
    if (atOnce === prompts) weigh(begun({ stages: [{ prompts, atOnce }], nodeCount, ms }));
  }
  for (const shared of sharing) {
    if (mayHoldBack && shared[prompts] !== undefined) weigh(begun(shared[prompts]));
  }
  for (let atOnce = 2; atOnce <= Math.min(prompts, nodes.length); atOnce += 1) {
    const chosen = nodes.slice(0, atOnce);
    const alone = wholeMs(work, chosen, { isHelped, countMin: prompts });
    weigh({ stages: [{ prompts, atOnce }], nodeCount: atOnce, ms: alone.get(prompts) ?? 0 });
    if (!mayHoldBack) continue;
    const then = wholeMs({ ...work, startBytes: 0 }, chosen, { isHelped, countMin: 1 });
    for (const [left, ms] of then) {
      for (const shared of sharing) {
        const first = left < prompts ? shared[prompts - left] : undefined;
        if (first === undefined) continue;
        const stages = [...first.stages, { prompts: left, atOnce }];
        const nodeCount = Math.max(first.nodeCount, atOnce);
        weigh(begun({ stages, nodeCount, ms: first.ms + ms }));
      }
    }
  }
  return [...found.values()];
}

/** Milliseconds until so many of the nodes have begun, worked out once for each number. */
function startTimes(work: Work, nodes: readonly PlanNode[]): (nodeCount: number) => number {
  const known = new Map<number, number>();
  return (nodeCount) => {
    const ms = known.get(nodeCount) ?? startMs(work, nodes.slice(0, nodeCount));
    known.set(nodeCount, ms);
    return ms;
  };
}

/**
 * For each number of prompts at once, the group size that is the fastest once all have begun; and,
 * where beginning takes time, the one that is the fastest with it: one list each.
 */
function roundsOf(
  work: Work,
  nodes: readonly PlanNode[],
  starts: (nodeCount: number) => number,
): readonly (readonly Round[])[] {
  const costs = [(round: Round) => round.ms, ({ ms, nodeCount }: Round) => ms + starts(nodeCount)];
  const lists = costs.map((): Round[] => []);
  for (let atOnce = 1; atOnce <= Math.min(work.prompts, nodes.length / 2); atOnce += 1) {
    const sizeMax = Math.max(2, work.frameSplit?.frames ?? 0);
    const rounds: Round[] = [];
    for (let size = 2; size <= Math.min(sizeMax, Math.floor(nodes.length / atOnce)); size += 1) {
      if (!isUseful(work, size)) continue;
      const ms = roundMs(work, nodes.slice(0, atOnce * size), atOnce);
      rounds.push({ atOnce, nodeCount: atOnce * size, ms });
    }
    for (const [at, cost] of costs.entries()) lists[at]?.push(...cheapest(rounds, cost));
  }
  return work.startBytes > 0 ? lists : lists.slice(0, 1);
}

/** The first of those that cost least; none of none. */
function cheapest(rounds: readonly Round[], cost: (round: Round) => number): readonly Round[] {
  const least = Math.min(...rounds.map(cost));
  return rounds.filter((round) => cost(round) === least).slice(0, 1);
}

/** Whether a group has less to do than a smaller one. */
function isUseful({ frameSplit }: Work, size: number): boolean {
  const frames = frameSplit?.frames ?? 1;
  return size === 2 || Math.ceil(frames / size) < Math.ceil(frames / (size - 1));
}

/** Nodes in so many groups, dealt like cards: of those that are fast, each gets as many. */
function dealt(nodes: readonly PlanNode[], groupCount: number): readonly (readonly PlanNode[])[] {
  return Array.from({ length: groupCount }, (_, at) =>
    nodes.filter((_node, index) => index % groupCount === at),
  );
}

/** A prompt for each group: one node helps with a branch, or all share the frames of its passes. */
function roundMs(work: Work, nodes: readonly PlanNode[], atOnce: number): number {
  const { iterations, units } = work;
  const ends = dealt(nodes, atOnce).map((group) => {
    const mayBranch = units === 2 && group.length === 2;
    const branch = mayBranch ? iterations * branchMs(work, group) : Infinity;
    const shared = canShare(work, group) ? framesMs({ ...work, prompts: 1 }, group) : Infinity;
    return Math.min(branch, shared);
  });
  return Math.max(...ends);
}

/** The fastest rounds for every number of prompts up to some, those of the largest groups first. */
function sharedStages(
  promptsMax: number,
  rounds: readonly Round[],
): readonly (Staged | undefined)[] {
  const best: (Staged | undefined)[] = [nothing];
  for (let prompts = 1; prompts <= promptsMax; prompts += 1) {
    for (const { atOnce, nodeCount, ms } of rounds) {
      const before = best[prompts - atOnce];
      if (before === undefined) continue;
      const whole = before.ms + ms;
      if (whole >= (best[prompts]?.ms ?? Infinity)) continue;
      best[prompts] = {
        stages: withRound(before.stages, atOnce),
        nodeCount: Math.max(before.nodeCount, nodeCount),
        ms: whole,
      };
    }
  }
  return best;
}

/** Rounds that are alike are one stage. */
function withRound(stages: readonly Stage[], atOnce: number): readonly Stage[] {
  const before = stages.find((stage) => stage.atOnce === atOnce)?.prompts ?? 0;
  const others = stages.filter((stage) => stage.atOnce !== atOnce);
  return [...others, { prompts: before + atOnce, atOnce }].toSorted((a, b) => a.atOnce - b.atOnce);
}

/** A node that samples prompts of its own, one after the other. */
interface Sampler {
  readonly node: PlanNode;
  /** Of an iteration that nobody helps with. */
  readonly iterationMs: number;
  /** Until when it has prompts. */
  readonly busyMs: number;
}

/**
 * Each prompt goes to the node that would have it done first; when none is left, nodes that are
 * free help those that sample.
 *
 * @param countMin  the fewest prompts that are asked for
 * @returns         milliseconds, by the number of prompts
 */
function wholeMs(
  work: Work,
  nodes: readonly PlanNode[],
  { isHelped, countMin }: { readonly isHelped: boolean; readonly countMin: number },
): ReadonlyMap<number, number> {
  const { prompts, iterations, units } = work;
  const iterationMs = nodes.map((node) => unitsMs(work, [node]));
  const othersMs = startMs(work, nodes);
  const busyMs = nodes.map((_, index) => (index === 0 ? 0 : othersMs));
  const samplers = (): readonly Sampler[] =>
    nodes.map((node, index) => {
      return { node, iterationMs: iterationMs[index] ?? 0, busyMs: busyMs[index] ?? 0 };
    });
  const endMs = (): number =>
    isHelped && units === 2 ? helpedMs(work, samplers()) : Math.max(...busyMs);
  const byCount = new Map<number, number>();
  for (let count = 1; count <= prompts; count += 1) {
    const doneMs = busyMs.map((ms, index) => ms + iterations * (iterationMs[index] ?? 0));
    const next = doneMs.indexOf(Math.min(...doneMs));
    busyMs[next] = doneMs[next] ?? 0;
    if (count >= countMin) byCount.set(count, endMs());
  }
  return byCount;
}

/** Who is free first helps who would be free last, and so on: one each. */
function helpedMs(work: Work, samplers: readonly Sampler[]): number {
  const sorted = samplers.toSorted((a, b) => a.busyMs - b.busyMs);
  const pairs = sorted.slice(0, Math.ceil(sorted.length / 2)).map((first, index) => {
    const last = sorted.at(-1 - index) ?? first;
    if (last === first || last.busyMs === first.busyMs) return last.busyMs;
    const share = branchMs(work, [last.node, first.node]) / last.iterationMs;
    return first.busyMs + (last.busyMs - first.busyMs) * Math.min(1, share);
  });
  return Math.max(...pairs);
}

/**
 * How many prompts may be sampled at once where so many wait and so many are being sampled. The
 * next stage begins when all prompts of the one before are done: their nodes form its groups.
 */
export function atOnceFor(
  stages: readonly Stage[],
  { waiting, running }: { readonly waiting: number; readonly running: number },
): number {
  let left = waiting;
  for (const { prompts, atOnce } of stages.toReversed()) {
    left -= prompts;
    if (left === 0) return running === 0 ? atOnce : 0;
    if (left < 0) return atOnce;
  }
  return stages[0]?.atOnce ?? Number.POSITIVE_INFINITY;
}
