import { lowerToOnnx, traceProgram } from "@retake/compile";
import {
  type Program,
  parseTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  textTensors,
  unetCheckpointTensors,
  unetTensors,
  vaeTensors,
  type WeightSpec,
} from "@retake/model";
import {
  rootScope,
  type Scope,
  textEncode,
  unet,
  vaeDecode,
  vaeEncode,
  withBackwardPass,
} from "@retake/model/network";
import { randomUniforms } from "@retake/model/random";
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";

/** Another seed by RETAKE_SEED; a failure prints the one that it had. */
const seed = Number(process.env.RETAKE_SEED ?? 33);
/** Of a tensor's maximum: as the goldens' gradients. */
const tolerance = 2e-4;
/**
 * Of the largest of all gradients: below it a tensor's own is no measure. A bias before a norm has
 * almost none, as a sum of many terms that cancel, and keeps the rounding of these.
 */
const floor = 0.1;

const unetConfig = parseUNetConfig({
  ...{ in_channels: 4, out_channels: 4, block_out_channels: [4, 8], layers_per_block: 1 },
  ...{ down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"] },
  ...{ up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"] },
  ...{ cross_attention_dim: 6, attention_head_dim: 2, norm_num_groups: 2, sample_size: 8 },
});
const vaeConfig = parseVaeConfig({
  ...{ in_channels: 3, out_channels: 3, latent_channels: 4, block_out_channels: [4, 8] },
  ...{ layers_per_block: 1, norm_num_groups: 2, scaling_factor: 0.18215 },
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
});
const textConfig = parseTextConfig({
  ...{ vocab_size: 10, max_position_embeddings: 5, hidden_size: 6, intermediate_size: 12 },
  ...{ num_hidden_layers: 2, num_attention_heads: 2, hidden_act: "quick_gelu" },
});

type Shapes = Readonly<Record<string, readonly number[]>>;
type Numbers = Readonly<Record<string, Float32Array | Int32Array>>;

/** A network, what it is called with, and all of its weights. */
interface Case {
  readonly weights: readonly WeightSpec[];
  readonly inputs: Shapes;
  readonly call: (scope: Scope, input: (name: string) => tf.Tensor) => tf.Tensor;
}

const unetInputs = (frames: number): Shapes => ({
  latents: [2, 4, frames, 8, 8],
  timestepSinusoid: [2, 4],
  prompt: [2, 3, 6],
});

const callUNet: Case["call"] = (scope, input) =>
  unet(scope, unetConfig, {
    latents: input("latents"),
    timestepSinusoid: input("timestepSinusoid"),
    prompt: input("prompt"),
  });

const ids = Int32Array.of(0, 3, 3, 9, 1, 0, 9, 2, 3, 1);

const cases: Readonly<Record<string, Case>> = {
  "the 2D U-Net": {
    ...{ weights: unetCheckpointTensors(unetConfig), inputs: unetInputs(1), call: callUNet },
  },
  "the 3D U-Net": {
    ...{ weights: unetTensors(unetConfig), inputs: unetInputs(3), call: callUNet },
  },
  "the 2D U-Net on clips": {
    ...{ weights: unetCheckpointTensors(unetConfig), inputs: unetInputs(3), call: callUNet },
  },
  "the VAE, there and back": {
    weights: vaeTensors(vaeConfig),
    inputs: { pixels: [2, 3, 8, 6] },
    call: (scope, input) => {
      const { mean, logvar } = vaeEncode(scope, input("pixels"), vaeConfig);
      return vaeDecode(scope, tf.add(mean, tf.exp(logvar)), vaeConfig);
    },
  },
  "the text encoder": {
    weights: textTensors(textConfig),
    inputs: {},
    call: (scope, input) => textEncode(scope, input("ids"), textConfig),
  },
};

const elements = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** Numbers for all inputs and weights; norms begin near 1. */
function numbersFor({ weights, inputs }: Case): Numbers {
  const all = [...Object.entries(inputs), ...weights.map(({ name, shape }) => [name, shape])];
  const entries = all.map(([name, shape], at) => {
    const sizes = shape as readonly number[];
    const fanIn = elements(sizes.slice(1));
    const bound = sizes.length > 1 ? 1 / Math.sqrt(fanIn) : 0.2;
    const stream = { seed, purpose: 0, position: [at, 0] } as const;
    const values = randomUniforms(stream, { count: elements(sizes), bound });
    const isGain = /norm[^.]*\.weight$/.test(String(name));
    return [name, isGain ? values.map((value) => 1 + value) : values];
  });
  return { ...Object.fromEntries(entries), ids };
}

/** Loss, the mean square of what the network gives, and its gradient for each weight. */
function gradientProgram({ weights, inputs, call }: Case): Program {
  const specs = Object.entries(inputs).map(([name, shape]) => ({ name, shape }));
  return {
    inputs: [
      ...[...specs, ...weights].map((spec) => ({ ...spec, dtype: "float32" as const })),
      { name: "ids", shape: [2, 5], dtype: "int32" },
    ],
    weights: [],
    outputs: [],
    call: ({ input }) => {
      const { value, grads } = withBackwardPass((lossIsThere) =>
        tf.valueAndGrads((...tensors: tf.Tensor[]): tf.Scalar => {
          const found = new Map(weights.map(({ name }, i) => [name, tensors[i]]));
          const y = call(
            rootScope((name) => found.get(name)),
            input,
          );
          const loss = tf.mean(tf.mul(y, y));
          lossIsThere();
          return loss as tf.Scalar;
        })(weights.map(({ name }) => input(name))),
      );
      const named = weights.map(({ name }, i) => [`grad/${name}`, grads[i] ?? tf.scalar(0)]);
      return { loss: value, ...Object.fromEntries(named) };
    },
  };
}

async function onnxResults(program: Program, numbers: Numbers): Promise<Map<string, Float32Array>> {
  const graph = traceProgram(program);
  const bytes = lowerToOnnx(graph, {
    target: "cpu",
    weights: (name) => {
      throw new Error(`${name}: expected no stored weight`);
    },
  });
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const feeds = program.inputs
    .filter(({ name }) => session.inputNames.includes(name))
    .map(({ name, shape, dtype }) => [name, new ort.Tensor(dtype, numbers[name] ?? [], shape)]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return new Map(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

function plainResults(program: Program, numbers: Numbers): Map<string, Float32Array> {
  const specs = new Map(program.inputs.map((spec) => [spec.name, spec]));
  const find = (name: string): tf.Tensor => {
    const { shape = [], dtype = "float32" } = specs.get(name) ?? {};
    return tf.tensor(numbers[name] ?? [], [...shape], dtype);
  };
  const results = tf.tidy(() => ({ ...program.call({ input: find, weight: find }) }));
  return new Map(
    Object.entries(results).map(([name, tensor]) => [name, tensor.dataSync() as Float32Array]),
  );
}

const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe("gradients of all weights, recorded and run by ONNX Runtime", () => {
  it.each(Object.entries(cases))("are TensorFlow.js's for %s", async (name, of) => {
    const program = gradientProgram(of);
    const numbers = numbersFor(of);
    const expected = plainResults(program, numbers);
    const results = await onnxResults(program, numbers);
    expect(expected.size).toBe(of.weights.length + 1);
    const scale = Math.max(...[...expected.values()].map(largest));
    for (const [key, values] of expected) {
      const got = results.get(key) ?? new Float32Array(0);
      expect(got.length, key).toBe(values.length);
      const error = largest(values.map((value, i) => value - (got[i] ?? Number.NaN)));
      const bound = tolerance * Math.max(largest(values), floor * scale);
      expect(error, `${name}: ${key}; RETAKE_SEED=${seed}`).toBeLessThan(bound);
    }
  });
});
