import type { Result } from "./results.js";
import type { Score } from "./score.js";
import { type Estimate, estimated, mean, median } from "./statistics.js";

/** Columns of the table: a name, which figures of a score, and what is made of them. */
const columns: readonly {
  readonly name: string;
  readonly of: (score: Score) => number | null;
  readonly as: (values: readonly number[]) => number;
  readonly digits: number;
}[] = [
  { name: "subject", of: ({ subject }) => subject, as: mean, digits: 3 },
  { name: "place", of: ({ place }) => place, as: mean, digits: 3 },
  { name: "colour", of: ({ colour }) => colour, as: mean, digits: 3 },
  { name: "motion px", of: ({ motionPixels }) => motionPixels, as: median, digits: 1 },
  { name: "background dB", of: ({ backgroundDb }) => backgroundDb, as: median, digits: 1 },
  { name: "truth dB", of: ({ truthDb }) => truthDb, as: median, digits: 1 },
  { name: "flicker", of: ({ flicker }) => flicker, as: median, digits: 2 },
];

export const qualityColumns: readonly string[] = [
  ...["clips", "method", "n"],
  ...columns.map(({ name }) => name),
];

/** A row of figures, each with its interval, for one method on one set of clips. */
export function qualityRow(
  name: { readonly set: string; readonly method: string },
  results: readonly Result[],
): readonly string[] {
  const cells = columns.map(({ of, as, digits }) => {
    const values = results.map(({ clip, score }) => ({ clip, value: of(score) }));
    return estimateText(estimated(groupedByClip(values), as), digits);
  });
  return [name.set, name.method, String(results.length), ...cells];
}

/**
 * How much better or worse one method is than another on the same edits: means of the differences,
 * edit by edit and seed by seed; `n` counts these.
 *
 * @returns nothing where no edit has results of both
 */
export function differenceRow(
  name: { readonly set: string; readonly method: string; readonly against: string },
  results: PairedResults,
): readonly string[] | undefined {
  const pairs = pairsOf(results);
  if (pairs.length === 0) return undefined;
  const cells = columns.map(({ of, digits }) => {
    const differences = pairs.map(({ ours, theirs }) => {
      const [value, other] = [of(ours.score), of(theirs.score)];
      return { clip: ours.clip, value: value === null || other === null ? null : value - other };
    });
    return estimateText(estimated(groupedByClip(differences), mean), digits, true);
  });
  const { set, method, against } = name;
  return [set, `${method} - ${against}`, String(pairs.length), ...cells];
}

/** The results of two methods. */
export interface PairedResults {
  readonly method: readonly Result[];
  readonly against: readonly Result[];
  /** Methods in which the seed decides nothing: their one result stands for every seed. */
  readonly seedless: ReadonlySet<string>;
}

interface Pair {
  readonly ours: Result;
  readonly theirs: Result;
}

function pairsOf({ method, against, seedless }: PairedResults): readonly Pair[] {
  return method.flatMap((ours) => {
    const isPaired = ({ clip, kind, seed, method: other }: Result): boolean =>
      clip === ours.clip &&
      kind === ours.kind &&
      (seed === ours.seed || seedless.has(other) || seedless.has(ours.method));
    return against.filter(isPaired).map((theirs) => ({ ours, theirs }));
  });
}

/** The values of each clip, for intervals over clips. */
function groupedByClip(
  values: readonly { readonly clip: string; readonly value: number | null }[],
): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (const { clip, value } of values) {
    groups.set(clip, [...(groups.get(clip) ?? []), ...(value === null ? [] : [value])]);
  }
  return [...groups.values()];
}

function estimateText({ value, low, high }: Estimate, digits: number, isSigned = false): string {
  if (Number.isNaN(value)) return "";
  const text = (number: number): string => {
    const rounded = number.toFixed(digits);
    return isSigned && number > 0 ? `+${rounded}` : rounded;
  };
  return low === high ? text(value) : `${text(value)} [${text(low)}, ${text(high)}]`;
}
