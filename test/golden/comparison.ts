/** The largest difference, as a share of the reference's largest value; NaN counts as infinite. */
export function relativeError(found: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (found.length !== reference.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < reference.length; i += 1) {
    const value = Math.abs((found[i] ?? 0) - (reference[i] ?? 0));
    if (Number.isNaN(value)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, value);
    largest = Math.max(largest, Math.abs(reference[i] ?? 0));
  }
  return shareOf(difference, { whole: largest });
}

/** The length of the difference, as a share of the reference's length. */
export function relativeLength(found: ArrayLike<number>, reference: ArrayLike<number>): number {
  if (found.length !== reference.length) return Number.POSITIVE_INFINITY;
  const difference = Array.from(reference, (value, i) => (found[i] ?? 0) - value);
  return shareOf(lengthOf(difference), { whole: lengthOf(reference) });
}

/** The Euclidean length. */
export function lengthOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += (values[i] ?? 0) ** 2;
  return Math.sqrt(sum);
}

/** How many entries of two lists differ; a surplus entry is one that differs. */
export function differingCount<T>(found: ArrayLike<T>, reference: ArrayLike<T>): number {
  const length = Math.max(found.length, reference.length);
  let count = 0;
  for (let i = 0; i < length; i += 1) if (found[i] !== reference[i]) count += 1;
  return count;
}

/** The worst of several errors by name; nothing compared is an error without end. */
export function worstOf(errors: Iterable<readonly [name: string, error: number]>): {
  readonly name: string;
  readonly error: number;
} {
  let worst: { name: string; error: number } | undefined;
  for (const [name, error] of errors) {
    if (worst === undefined || !(error <= worst.error)) worst = { name, error };
    if (Number.isNaN(worst.error)) worst.error = Number.POSITIVE_INFINITY;
  }
  return worst ?? { name: "nothing was compared", error: Number.POSITIVE_INFINITY };
}

function shareOf(part: number, { whole }: { readonly whole: number }): number {
  if (Number.isNaN(part)) return Number.POSITIVE_INFINITY;
  if (whole > 0) return part / whole;
  return part === 0 ? 0 : Number.POSITIVE_INFINITY;
}
