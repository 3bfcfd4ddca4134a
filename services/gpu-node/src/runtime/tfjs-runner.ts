import { open } from "node:fs/promises";
import { Code, RetakeError } from "@retake/errors";
import { createProgram, type Program, type ProgramSpec } from "@retake/model";
import * as tf from "@tensorflow/tfjs-core";
import { declaredInput } from "./declared-input.js";
import type { HostTensor, HostTensors, WeightLocation, WeightLocations } from "./engine.js";
import type { EngineOptions, Runner, RunnerProgram } from "./runner.js";
import { loadTfjsBackend } from "./tfjs-backend.js";

async function readWeight(name: string, location: WeightLocation): Promise<tf.Tensor> {
  if (location.dtype !== "F32") {
    const message = `${name}: expected float32 in ${location.file}, got ${location.dtype}`;
    throw new RetakeError(Code.InvalidArgument, "tensor-dtype", message);
  }
  const handle = await open(location.file);
  try {
    const bytes = new Uint8Array(location.byteLength);
    await handle.read(bytes, 0, bytes.length, location.offset);
    return tf.tensor(new Float32Array(bytes.buffer), [...location.shape]);
  } finally {
    await handle.close();
  }
}

/** Calls a program's function eagerly on a TensorFlow.js backend. */
class TfjsProgram implements RunnerProgram {
  readonly #program: Program;
  readonly #weights: ReadonlyMap<string, tf.Tensor>;

  constructor(program: Program, weights: ReadonlyMap<string, tf.Tensor>) {
    this.#program = program;
    this.#weights = weights;
  }

  async run(inputs: HostTensors): Promise<HostTensors> {
    const results = tf.tidy(() => {
      const tensors = new Map(
        this.#program.inputs.map((spec) => {
          const { data, shape } = declaredInput(spec, inputs);
          return [spec.name, tf.tensor(data, [...shape], spec.dtype)] as const;
        }),
      );
      const find = (from: ReadonlyMap<string, tf.Tensor>, name: string): tf.Tensor => {
        const tensor = from.get(name);
        if (tensor === undefined) throw new Error(`tfjs: there is no tensor ${name}`);
        return tensor;
      };
      return this.#program.call({
        input: (name) => find(tensors, name),
        weight: (name) => find(this.#weights, name),
      });
    });
    const outputs: Record<string, HostTensor> = {};
    for (const [name, tensor] of Object.entries(results)) {
      const data = await tensor.data<"float32">();
      outputs[name] = { shape: tensor.shape, data: data.slice() };
      tensor.dispose();
    }
    return outputs;
  }

  async close(): Promise<void> {
    for (const tensor of this.#weights.values()) tensor.dispose();
  }
}

async function readWeights(
  program: Program,
  locations: WeightLocations,
): Promise<Map<string, tf.Tensor>> {
  const weights = new Map<string, tf.Tensor>();
  try {
    for (const { name } of program.weights) {
      const location = locations.get(name);
      if (location === undefined) {
        const message = `weights: expected ${name}, which the checkpoint does not have`;
        throw new RetakeError(Code.InvalidArgument, "tensor-missing", message);
      }
      weights.set(name, await readWeight(name, location));
    }
  } catch (error) {
    for (const tensor of weights.values()) tensor.dispose();
    throw error;
  }
  return weights;
}

/**
 * Opens TensorFlow.js on the fastest backend that is there: TensorFlow's, else the plain one.
 *
 * @param place.bindingDir  where to look for TensorFlow's binding instead of among our own packages
 */
export async function createTfjsRunner(
  options: EngineOptions,
  place: { readonly bindingDir: string | undefined },
): Promise<Runner> {
  const kernels = await loadTfjsBackend(options.threads, place.bindingDir);
  // The plain backend has one thread, whatever is asked for.
  const terms = kernels === undefined ? "plain" : `${tf.getBackend()}-${options.threads}`;
  return {
    numericsId: `tfjs-${tf.version_core}-${terms}`,
    load: async (spec: ProgramSpec, locations: WeightLocations) => {
      if (spec.kind === "unet" && spec.shard !== undefined) {
        const message = "tfjs: expected a whole clip, got some frames; use an onnx engine";
        throw new RetakeError(Code.Unimplemented, "not-supported", message);
      }
      const program = createProgram(spec);
      return new TfjsProgram(program, await readWeights(program, locations));
    },
    close: async () => {},
  };
}
