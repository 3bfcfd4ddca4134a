import type { Result } from "./results.js";
import type { Score } from "./score.js";
import { type Estimate, estimated, mean, median } from "./statistics.js";

type Figure = readonly (number | null)[];

/** Columns of the table: a name, which figures of a score, and what is made of them. */
const columns: readonly {
  readonly name: string;
  readonly of: (score: Score) => Figure;
  readonly as: (values: readonly number[]) => number;
  readonly digits: number;
}[] = [
  { name: "subject", of: ({ subject }) => [subject], as: mean, digits: 3 },
  { name: "place", of: ({ place }) => [place], as: mean, digits: 3 },
  { name: "colour", of: ({ colour }) => [colour], as: mean, digits: 3 },
  { name: "motion px", of: ({ motionPixels }) => [motionPixels], as: median, digits: 1 },
  { name: "background dB", of: ({ backgroundDb }) => [backgroundDb], as: median, digits: 1 },
  { name: "truth dB", of: ({ truthDb }) => [truthDb], as: median, digits: 1 },
  { name: "flicker", of: ({ flicker }) => [flicker], as: median, digits: 2 },
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
  const cells = columns.map(({ of, as, digits }) =>
    estimateText(estimated(groupedByClip(results, of), as), digits),
  );
  return [name.set, name.method, String(results.length), ...cells];
}

/**
 * How much better or worse one method is than another on the same edits: means of the differences,
 * edit by edit.
 */
export function differenceRow(
  name: { readonly set: string; readonly method: string; readonly against: string },
  results: { readonly method: readonly Result[]; readonly against: readonly Result[] },
): readonly string[] {
  const meanOf = (list: readonly Result[], of: (score: Score) => Figure): Map<string, number> => {
    const values = new Map<string, number[]>();
    for (const { clip, kind, score } of list) {
      const key = `${clip} ${kind}`;
      const found = of(score).filter((value) => value !== null);
      values.set(key, [...(values.get(key) ?? []), ...found]);
    }
    return new Map([...values].map(([key, found]) => [key, mean(found)]));
  };
  const cells = columns.map(({ of, digits }) => {
    const [ours, theirs] = [meanOf(results.method, of), meanOf(results.against, of)];
    const groups = new Map<string, number[]>();
    for (const [key, value] of ours) {
      const difference = value - (theirs.get(key) ?? Number.NaN);
      const [clip = ""] = key.split(" ");
      if (Number.isFinite(difference)) groups.set(clip, [...(groups.get(clip) ?? []), difference]);
    }
    return estimateText(estimated([...groups.values()], mean), digits, true);
  });
  const { set, method, against } = name;
  return [set, `${method} - ${against}`, String(results.method.length), ...cells];
}

function groupedByClip(
  results: readonly Result[],
  of: (score: Score) => Figure,
): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (const { clip, score } of results) {
    const found = of(score).filter((value) => value !== null);
    groups.set(clip, [...(groups.get(clip) ?? []), ...found]);
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
