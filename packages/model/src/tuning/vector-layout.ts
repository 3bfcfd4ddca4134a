import { ShapeError } from "@retake/errors";
import type { WeightSpec } from "../program.js";

/** Where a tensor lies in the flat vector: from `begin` up to, not including, `end`. */
export interface VectorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** How tensors make up one flat vector, so that optimiser and network speak of the same numbers. */
export interface VectorLayout {
  readonly entries: readonly VectorEntry[];
  readonly length: number;
}

/**
 * The layout of a set of tensors: sorted by name (by code unit, so that no locale matters), one
 * after the other, without gaps.
 */
export function vectorLayout(tensors: readonly WeightSpec[]): VectorLayout {
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  let length = 0;
  const entries = sorted.map(({ name, shape }): VectorEntry => {
    const begin = length;
    length += shape.reduce((product, size) => product * size, 1);
    return { name, shape, begin, end: length };
  });
  return { entries, length };
}

/**
 * One flat vector of the tensors.
 *
 * @param find  a tensor's values, by name
 * @returns     `[layout.length]`, float32; the caller owns it
 * @throws ShapeError  if a tensor is missing or of another size
 */
export function packedVector(
  layout: VectorLayout,
  find: (name: string) => Float32Array | undefined,
): Float32Array {
  const vector = new Float32Array(layout.length);
  for (const { name, begin, end } of layout.entries) {
    const values = find(name);
    if (values?.length !== end - begin) {
      const got = values === undefined ? "nothing" : String(values.length);
      throw new ShapeError(`${name}: expected ${end - begin} values, got ${got}`);
    }
    vector.set(values, begin);
  }
  return vector;
}

/**
 * The tensors of a flat vector, by name, as views: writing to one writes to the vector.
 *
 * @throws ShapeError  if the vector has another length
 */
export function tensorsOfVector(
  layout: VectorLayout,
  vector: Float32Array,
): ReadonlyMap<string, Float32Array> {
  if (vector.length !== layout.length) {
    throw new ShapeError(`vector: expected ${layout.length} values, got ${vector.length}`);
  }
  return new Map(layout.entries.map(({ name, begin, end }) => [name, vector.subarray(begin, end)]));
}
