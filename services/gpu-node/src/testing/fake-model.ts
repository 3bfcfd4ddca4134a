import {
  type ProgramSpec,
  parseTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  unetInputTensors,
} from "@retake/model";
import { noiseSchedule, parseScheduleConfig } from "@retake/model/diffusion";
import type { Engine, HostTensor, HostTensors, LoadedProgram } from "../runtime/engine.js";
import type { RunnerProgram } from "../runtime/runner.js";
import { WorkerTuner } from "../runtime/tuner.js";
import { float32Values, hostTensor, sizeOf } from "../tasks/host-tensors.js";
import type { ModelFiles } from "../tasks/model-files.js";
import { type Model, openModel } from "../tasks/open-model.js";

/** A program as a function of its inputs, instead of a network. */
export type FakeProgram = (spec: ProgramSpec, inputs: HostTensors) => HostTensors;

/** What a fake engine was asked. */
export interface FakeEngine extends Engine {
  readonly runs: ProgramSpec[];
  readonly closed: string[];
}

/** An engine that calls a function in this thread. */
export function fakeEngine(program: FakeProgram, numericsId = "fake"): FakeEngine {
  const runs: ProgramSpec[] = [];
  const closed: string[] = [];
  const load = async (spec: ProgramSpec): Promise<LoadedProgram> => {
    let fixed: HostTensors = {};
    const runner: RunnerProgram = {
      run: async (inputs) => {
        runs.push(spec);
        return program(spec, { ...fixed, ...inputs });
      },
      close: async () => {},
    };
    return {
      passesAtOnce: 1,
      run: (inputs) => runner.run(inputs),
      fix: async (inputs) => {
        fixed = inputs;
      },
      createTuner: async (start) => {
        const tuner = new WorkerTuner(runner, start);
        let draws: Promise<unknown> = Promise.resolve();
        return {
          addDraw: ({ drawIndex, inputs }) => {
            const draw = tuner.addDraw(drawIndex, inputs);
            draws = draw.catch(() => {});
            return draw;
          },
          applyStep: async (step) => {
            await draws;
            return tuner.applyStep(step);
          },
          takeSums: async () => tuner.takeSums(),
          applyGradient: async (update) => tuner.applyGradient(update),
          weightsHash: async () => tuner.weightsHash(),
          abandonStep: async () => tuner.abandonStep(),
          state: async () => tuner.state(),
          finish: async () => tuner.finish(),
          close: async () => {},
        };
      },
      close: async () => {
        closed.push(spec.kind);
      },
    };
  };
  return { name: "onnx-cpu", numericsId, runs, closed, load, close: async () => {} };
}

/** Files of a network too small to be one: 4 channels, a VAE that halves once, 4 tokens. */
export function fakeFiles(): ModelFiles {
  const unetConfig = parseUNetConfig({
    ...{ block_out_channels: [4, 4], layers_per_block: 1, cross_attention_dim: 4 },
    ...{ down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"] },
    ...{ up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"] },
    ...{ norm_num_groups: 2, attention_head_dim: 2 },
  });
  const vaeConfig = parseVaeConfig({ block_out_channels: [4, 4], norm_num_groups: 2 });
  const textConfig = parseTextConfig({
    ...{ vocab_size: 8, max_position_embeddings: 4, hidden_size: 4, intermediate_size: 8 },
    ...{ num_hidden_layers: 1, num_attention_heads: 2 },
  });
  const tokenize = (prompt: string) => ({
    ...{ ids: new Int32Array(4).fill(prompt.length), length: 4, truncated: prompt.length > 5 },
  });
  const steps = { num_train_timesteps: 100, beta_schedule: "scaled_linear", clip_sample: false };
  return {
    ...{ name: "fake", hash: "f00d", root: "/fake", card: undefined },
    ...{ unetConfig, vaeConfig, textConfig },
    schedule: noiseSchedule(parseScheduleConfig(steps)),
    tokenizer: { tokensMax: 4, tokenize },
    weights: { unet: new Map(), vae: new Map(), text: new Map() },
    ...{ latentFactor: 2, pictureSide: 16 },
  };
}

export function fakeModel(engine: Engine): Model {
  return openModel(fakeFiles(), engine);
}

/** Every tensor that can be tuned, and the temporal norms: all of one value. */
export function flatTensors(files: ModelFiles, value: number): HostTensors {
  const tensors = unetInputTensors(files.unetConfig).map(({ name, shape }) => [
    name,
    hostTensor(shape, new Float32Array(sizeOf(shape)).fill(value)),
  ]);
  return Object.fromEntries(tensors) as HostTensors;
}

/** A tensor that counts up from `first`. */
export function counted(shape: readonly number[], first = 0): HostTensor {
  return hostTensor(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => first + i),
  );
}

/** A tensor of one value. */
export function filled(shape: readonly number[], value: number): HostTensor {
  return hostTensor(shape, new Float32Array(sizeOf(shape)).fill(value));
}

/** The values of an input that a fake program reads. */
export function inputValues(inputs: HostTensors, name: string): Float32Array {
  const tensor = inputs[name];
  if (tensor === undefined) throw new Error(`expected an input ${name}`);
  return float32Values(tensor);
}
