/** One comparison with the authors' numbers. */
export interface Measured {
  readonly kind: "measured";
  readonly group: string;
  /** The case, as the golden files call it. */
  readonly name: string;
  /** What was compared, as `tolerance.json` calls it. */
  readonly quantity: string;
  readonly error: number;
  readonly tolerance: number;
  /** Where the error is largest, or under which terms it was measured. */
  readonly detail?: string;
}

/** A case that was not run, and why. */
export interface Skipped {
  readonly kind: "skipped";
  readonly group: string;
  readonly name: string;
  readonly reason: string;
}

export type Row = Measured | Skipped;
export type Rows = AsyncGenerator<Row, void, undefined>;

export function isWithin(row: Measured): boolean {
  return row.error <= row.tolerance;
}
