import { ShapeError } from "@retake/errors";
import type * as tf from "@tensorflow/tfjs-core";

/**
 * The sizes of a tensor's axes by name.
 *
 * @throws ShapeError  if the rank differs from the number of names, or an axis is empty
 */
export function axesOf<const Names extends readonly string[]>(
  label: string,
  tensor: tf.Tensor,
  names: Names,
): Readonly<Record<Names[number], number>> {
  const { shape } = tensor;
  if (shape.length !== names.length || shape.some((size) => size < 1)) {
    throw new ShapeError(`${label}: expected [${names.join(", ")}], got [${shape.join(", ")}]`);
  }
  const sizes = names.map((name, axis) => [name, shape[axis] ?? 0] as const);
  return Object.fromEntries(sizes) as Readonly<Record<Names[number], number>>;
}

/** @throws ShapeError  if `tensor` does not have exactly `shape` */
export function assertShape(label: string, tensor: tf.Tensor, shape: readonly number[]): void {
  const same = tensor.shape.length === shape.length && shape.every((n, i) => tensor.shape[i] === n);
  if (!same) {
    throw new ShapeError(`${label}: expected [${shape.join(", ")}], got [${tensor.shape}]`);
  }
}
