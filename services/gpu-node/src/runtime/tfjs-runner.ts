import { open } from "node:fs/promises";
import { Code, RetakeError } from "@retake/errors";
import { createProgram, type Program, type ProgramSpec } from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import type { HostTensor, HostTensors, WeightLocation, WeightLocations } from "./engine.js";
import type { EngineOptions, Runner, RunnerProgram } from "./runner.js";

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
        this.#program.inputs.map(({ name, shape, dtype }) => {
          const given = inputs[name];
          if (given === undefined) {
            throw new RetakeError(Code.InvalidArgument, "bad-option", `${name}: expected an input`);
          }
          return [name, tf.tensor(given.data, [...shape], dtype)] as const;
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

/** Opens TensorFlow.js on the fastest backend that is present: TensorFlow where installed, else plain. */
export async function createTfjsRunner(_options: EngineOptions): Promise<Runner> {
  await tf.ready();
  return {
    numericsId: `tfjs-${tf.version_core}-${tf.getBackend()}`,
    load: async (spec: ProgramSpec, locations: WeightLocations) => {
      const program = createProgram(spec);
      const weights = new Map<string, tf.Tensor>();
      for (const { name } of program.weights) {
        const location = locations.get(name);
        if (location === undefined) {
          const message = `weights: expected ${name}, which the checkpoint does not have`;
          throw new RetakeError(Code.InvalidArgument, "tensor-missing", message);
        }
        weights.set(name, await readWeight(name, location));
      }
      return new TfjsProgram(program, weights);
    },
    close: async () => {},
  };
}
