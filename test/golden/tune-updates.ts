import { lengthOf, relativeError, relativeLength, worstOf } from "./comparison.js";
import { type GoldenContext, limitedRow, measuredRow } from "./golden-context.js";
import type { Row, Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";
import type { TuneVariant } from "./tune-file.js";
import type { TuneRun } from "./tune-run.js";

const group = "tune";

interface Tuned {
  readonly variant: TuneVariant;
  readonly tuned: TuneRun;
  /** Of the whole run. */
  readonly steps: number;
}

/** What tuning changed in the weights, after each number of steps that the files know. */
export async function* updateRows(context: GoldenContext, file: TensorFile, tuned: Tuned): Rows {
  const { variant } = tuned;
  const start = `${variant.name}/w`;
  const stored = file.names.flatMap((name) => {
    const [, count] = /^w(\d+)\//.exec(name.slice(variant.name.length + 1)) ?? [];
    return name.startsWith(start) && count !== undefined ? [Number(count)] : [];
  });
  const known = new Set([...stored, ...Object.keys(variant.lengths).map(Number)]);
  for (const count of [...known].sort((a, b) => a - b)) {
    yield* storedRows(context, file, { ...tuned, count });
    const row = lengthRow(context, { ...tuned, count });
    if (row !== undefined) yield row;
  }
}

type TunedSteps = Tuned & { readonly count: number };

/** In float64, since the change is small beside the weight. */
function change(end: ArrayLike<number>, start: ArrayLike<number>): Float64Array {
  return Float64Array.from(start, (value, i) => (end[i] ?? Number.NaN) - value);
}

/**
 * The changes of the tensors whose weights are stored: by length where there is a tolerance, and
 * element by element within half a learning rate, since AdamW divides by the gradient's size.
 */
async function* storedRows(context: GoldenContext, file: TensorFile, tuned: TunedSteps): Rows {
  const { variant, count } = tuned;
  const lengths: [string, number][] = [];
  const elements: [string, number][] = [];
  for (const name of variant.withGradient) {
    const key = `${variant.name}/w${count}/${name}`;
    const start = tuned.tuned.start.get(name);
    const end = tuned.tuned.weights.get(count)?.get(name);
    if (!file.has(key) || variant.noiseOnly.has(name) || start === undefined) continue;
    const reference = change(await file.values(key), start);
    const found = change(end ?? [], start);
    lengths.push([name, relativeLength(found, reference)]);
    const halfRate = variant.settings.learningRate / 2;
    const differences = change(found, reference).map((value) => Math.abs(value) / halfRate);
    elements.push([name, Math.max(...differences)]);
  }
  if (lengths.length === 0) return;
  const worst = worstOf(lengths);
  const name = `${variant.name}/update ${count}`;
  const quantity = updateQuantity(tuned);
  const detail = `worst of ${lengths.length}: ${worst.name}`;
  if (quantity.length > 0) {
    yield measuredRow(context, { group, name, quantity, error: worst.error, detail });
  }
  const single = worstOf(elements);
  yield limitedRow({
    group,
    name: `${variant.name}/elements ${count}`,
    quantity: "one element, in half learning rates",
    error: single.error,
    limit: 1,
    detail: `worst: ${single.name}`,
  });
}

/**
 * Which row of `tolerance.json` holds for an update. At a small learning rate the first steps are
 * mostly decay, which float32 rounds away: only the end is compared.
 */
function updateQuantity({ variant, count, steps }: TunedSteps): RegExp[] {
  const rate = variant.settings.learningRate;
  const isSmall = rate < 1e-3;
  if (!isSmall) return [/^update \(w - start\)/];
  return count === steps ? [/^update after/] : [];
}

/** The lengths of all changes, beyond the first step, whose length is mostly rounding. */
function lengthRow(context: GoldenContext, { variant, tuned, count }: TunedSteps): Row | undefined {
  const references = variant.lengths[String(count)];
  const weights = tuned.weights.get(count);
  if (count < 2 || references === undefined) return undefined;
  const errors = variant.withGradient.flatMap((name, i): [string, number][] => {
    if (variant.noiseOnly.has(name)) return [];
    const found = lengthOf(change(weights?.get(name) ?? [], tuned.start.get(name) ?? []));
    return [[name, relativeError([found], [references[i] ?? Number.NaN])]];
  });
  const worst = worstOf(errors);
  return measuredRow(context, {
    group,
    name: `${variant.name}/lengths ${count}`,
    quantity: [/^L2 norm of the update/],
    error: worst.error,
    detail: `worst of ${errors.length}: ${worst.name}`,
  });
}
