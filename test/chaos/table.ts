import type { ChaosCase } from "./cases.js";
import type { CaseEnd } from "./run-case.js";

interface Ended {
  readonly about: ChaosCase;
  readonly end: CaseEnd;
}

/** Recovery after a node that was killed, in lease periods. */
const recoveryLeasesMax = 3;
const widths = [34, 6, 6, 8, 9, 9, 9] as const;

const line = (cells: readonly string[]): string =>
  cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" ");

export function tableHead(): string {
  return line(["case", "seed", "step", "node", "recovery", "whole", "lost", "outcome"]);
}

export function tableRow(about: ChaosCase, end: CaseEnd): string {
  const { name, seed, step, victim } = about;
  const { recoveryMs, durationMs, recoveries, problems } = end;
  const outcome = problems.length === 0 ? "same bits" : `WRONG: ${problems.join("; ")}`;
  const times = [recoveryMs, durationMs].map((ms) =>
    ms === undefined ? "-" : `${ms.toFixed(0)} ms`,
  );
  const counts = [`${seed}`, `${step}`, `node-${victim + 1}`];
  return line([name, ...counts, ...times, `${recoveries}`, outcome]);
}

/** The smallest value that at least that share of the values does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export function summary(
  ended: readonly Ended[],
  { leaseMs, seed }: { readonly leaseMs: number; readonly seed: number },
): { readonly text: string; readonly isGood: boolean } {
  const good = ended.filter(({ end }) => end.problems.length === 0);
  const recoveries = (of: readonly Ended[]): readonly number[] =>
    of.flatMap(({ end }) => end.recoveryMs ?? []);
  const told = (what: string, values: readonly number[]): string => {
    const [p50, p95] = [0.5, 0.95].map((share) => percentile(values, share).toFixed(0));
    return `recovery, ${what} (${values.length}): p50 ${p50} ms, p95 ${p95} ms`;
  };
  const killed = recoveries(ended.filter(({ about }) => about.fault === "kill-node"));
  const boundMs = recoveryLeasesMax * leaseMs;
  const isQuick = killed.length === 0 || percentile(killed, 0.95) < boundMs;
  const verdict = isQuick ? "PASS" : "MISS";
  const lines = [
    told("all faults", recoveries(ended)),
    `${told("kill -9 of a node", killed)}, bound ${boundMs} ms: ${verdict}`,
    `${good.length} of ${ended.length} cases with the bits of an undisturbed edit, seed ${seed}`,
  ];
  return { text: lines.join("\n"), isGood: isQuick && good.length === ended.length };
}
