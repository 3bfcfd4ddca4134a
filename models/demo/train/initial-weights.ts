import { Purpose, randomNormals, randomUniforms, tensorStream } from "@retake/model/random";
import { packedVector, type VectorEntry, type VectorLayout } from "@retake/model/tuning";

/** The spread of token embeddings: words must be told apart early at so small a width. */
const tokenSpread = 0.3;
const positionSpread = 0.05;
/** The posterior begins narrow, so that the decoder sees more of the picture than of the noise. */
const logVarianceStart = -6;

/**
 * Weights to begin a training with.
 *
 * Linear layers, convolutions and their biases: uniform in +-1/sqrt(fanIn), as PyTorch has it.
 * Norms: the identity. Keyed by each tensor's name.
 *
 * @returns  `[layout.length]`, float32
 * @source He et al. 2015, arXiv:1502.01852, with PyTorch's gain
 */
export function initialWeights(layout: VectorLayout, seed: bigint): Float32Array {
  const shapes = new Map(layout.entries.map(({ name, shape }) => [name, shape]));
  const byName = new Map(layout.entries.map((entry) => [entry.name, entry]));
  return packedVector(layout, (name) => {
    const entry = byName.get(name);
    return entry === undefined ? undefined : initialTensor(entry, { seed, shapes });
  });
}

function initialTensor(
  { name, shape, begin, end }: VectorEntry,
  given: { readonly seed: bigint; readonly shapes: ReadonlyMap<string, readonly number[]> },
): Float32Array {
  const count = end - begin;
  const stream = tensorStream({ seed: given.seed, purpose: Purpose.Noise, name });
  if (name.includes("embedding.weight")) {
    const spread = name.includes("position") ? positionSpread : tokenSpread;
    return randomNormals(stream, count).map((value) => spread * value);
  }
  if (/norm[^.]*\.weight$/.test(name)) return new Float32Array(count).fill(1);
  if (/norm[^.]*\.bias$/.test(name)) return new Float32Array(count);
  const matrix = given.shapes.get(name.replace(/\.bias$/, ".weight")) ?? shape;
  const fanIn = matrix.slice(1).reduce((product, size) => product * size, 1);
  const values = randomUniforms(stream, { count, bound: 1 / Math.sqrt(fanIn) });
  if (name === "quant_conv.bias") values.fill(logVarianceStart, count / 2);
  return values;
}
