import { jsonObject } from "./json-object.js";

/** A row of a golden folder's `tolerance.json`. */
export interface Tolerance {
  readonly group: string;
  readonly quantity: string;
  readonly tolerance: number;
}

/**
 * Reads `tolerance.json`.
 *
 * @throws Error  if it is no list of rows
 */
export function parseTolerances(json: unknown): readonly Tolerance[] {
  if (!Array.isArray(json)) throw new Error("tolerance.json: expected a list of rows");
  const rows: readonly unknown[] = json;
  return rows.map((row) => {
    const { group, quantity, tolerance } = jsonObject(row);
    const isRow = typeof group === "string" && typeof quantity === "string";
    if (!isRow || typeof tolerance !== "number") {
      throw new Error(
        `tolerance.json: expected group, quantity, tolerance in ${JSON.stringify(row)}`,
      );
    }
    return { group, quantity, tolerance };
  });
}

/**
 * The row for a quantity: the first whose name matches. Several patterns are tried in order, so
 * that a row made for this very number of steps goes before a general one.
 */
export function findTolerance(
  rows: readonly Tolerance[],
  place: { readonly group: string; readonly quantity: readonly RegExp[] },
): Tolerance | undefined {
  const inGroup = rows.filter(({ group }) => group === place.group);
  for (const pattern of place.quantity) {
    const row = inGroup.find(({ quantity }) => pattern.test(quantity));
    if (row !== undefined) return row;
  }
  return undefined;
}
