import type { WeightSpec } from "../program.js";
import { Purpose, randomUniforms, type Seed } from "../random/random-stream.js";
import { tensorStream } from "../random/tensor-stream.js";

/**
 * What the temporal layers start from. `no-op`: they change nothing, so that before tuning the
 * video network is the image network. `authors`: as `no-op`, but the output bias is random, as in
 * the authors' code, which set only the weight to zero.
 */
export type TemporalStart = "no-op" | "authors";

/**
 * The temporal tensors that a 2D checkpoint lacks, by name.
 *
 *     query, key, value ~ uniform(-1/sqrt(C), 1/sqrt(C));  output = 0;  norm_temp = (1, 0)
 *
 * Keyed by (seed, name): neither the order nor the other tensors matter. The authors' numbers come
 * from PyTorch's generator and cannot be had here; the distribution is the same.
 *
 * @param tensors  those whose names hold `_temp.`; any others are passed over
 * @returns        one array per temporal tensor, float32; the caller owns them
 * @source Wu et al. 2023, arXiv:2212.11565, section 4.1; linear layers start as PyTorch's do
 *         (He et al. 2015, arXiv:1502.01852, with slope sqrt(5))
 */
export function temporalInitialisation(
  tensors: readonly WeightSpec[],
  options: { readonly seed: Seed; readonly start: TemporalStart },
): ReadonlyMap<string, Float32Array> {
  const temporal = tensors.filter(({ name }) => name.includes("_temp."));
  return new Map(temporal.map((tensor) => [tensor.name, startOf(tensor, options)]));
}

function startOf(
  tensor: WeightSpec,
  options: { readonly seed: Seed; readonly start: TemporalStart },
): Float32Array {
  const { name, shape } = tensor;
  const count = shape.reduce((product, size) => product * size, 1);
  const isNorm = name.includes("norm_temp.");
  if (isNorm) return new Float32Array(count).fill(name.endsWith(".weight") ? 1 : 0);
  const isOutput = name.includes(".to_out.");
  const isRandom = !isOutput || (name.endsWith(".bias") && options.start === "authors");
  if (!isRandom) return new Float32Array(count);
  const purpose = Purpose.TemporalInitialisation;
  const bound = 1 / Math.sqrt(shape.at(-1) ?? 1);
  return randomUniforms(tensorStream({ seed: options.seed, purpose, name }), { count, bound });
}
