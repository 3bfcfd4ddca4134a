import type { SamplingStage } from "./sampling.js";

/** One prompt for each of some groups of nodes. */
export interface Round {
  readonly atOnce: number;
  readonly nodesEach: number;
}

interface Timed {
  readonly rounds: readonly Round[];
  readonly ms: number;
}

/**
 * The rounds that prompts may be divided into: as many groups as there are nodes for, by each
 * useful size, and those that are left by fewer and larger ones.
 */
export function roundsFor(
  prompts: number,
  { nodeCount, sizes }: { readonly nodeCount: number; readonly sizes: readonly number[] },
): readonly Round[] {
  const groups = sizes.flatMap((size) => Math.min(prompts, Math.floor(nodeCount / size)) || []);
  const counts = new Set([...groups, ...groups.flatMap((count) => prompts % count || [])]);
  return [...counts].flatMap((atOnce) =>
    sizes
      .filter((nodesEach) => atOnce * nodesEach <= nodeCount)
      .map((nodesEach) => ({ atOnce, nodesEach })),
  );
}

/** The fastest sequence of rounds for some prompts, by what each round takes. */
export function fastestStages(
  prompts: number,
  rounds: readonly (Round & { readonly ms: number })[],
): readonly SamplingStage[] {
  const best: (Timed | undefined)[] = [{ rounds: [], ms: 0 }];
  for (let count = 1; count <= prompts; count += 1) {
    for (const round of rounds) {
      const before = best[count - round.atOnce];
      if (before === undefined) continue;
      const ms = before.ms + round.ms;
      if (ms < (best[count]?.ms ?? Infinity)) {
        best[count] = { rounds: [...before.rounds, round], ms };
      }
    }
  }
  const stages = new Map<string, SamplingStage>();
  for (const { atOnce, nodesEach } of best[prompts]?.rounds ?? []) {
    const key = `${atOnce} ${nodesEach}`;
    const before = stages.get(key)?.prompts ?? 0;
    stages.set(key, { prompts: before + atOnce, atOnce, nodesEach });
  }
  return [...stages.values()].toSorted((a, b) => a.atOnce - b.atOnce);
}
