import { ShapeError } from "@retake/errors";

/**
 * The prediction pushed towards the prompt and away from the empty (or negative) prompt.
 *
 *     guided = without + guidanceScale (with - without)
 *
 * Rounded after each of the three operations, as float32 tensors would be.
 *
 * @param predictions.without  prediction for the empty or negative prompt, float32
 * @param predictions.with     prediction for the prompt, as `without`
 * @param guidanceScale        at least 1; 1 gives `with`, and needs no pass without
 * @returns                    as `without`, float32; the caller owns it
 * @throws ShapeError          if the sizes differ
 * @source Ho and Salimans 2022, arXiv:2207.12598, "Classifier-free diffusion guidance"
 */
export function guidedPrediction(
  predictions: { readonly without: Float32Array; readonly with: Float32Array },
  guidanceScale: number,
): Float32Array {
  const { without, with: prompted } = predictions;
  if (without.length !== prompted.length) {
    const sizes = `${without.length} and ${prompted.length}`;
    throw new ShapeError(`predictions: expected two of one size, got ${sizes}`);
  }
  const scale = Math.fround(guidanceScale);
  return without.map((base, i) => {
    const difference = Math.fround((prompted[i] ?? 0) - base);
    return base + Math.fround(scale * difference);
  });
}
