import { join } from "node:path";
import {
  asFloat32,
  createTokenizer,
  type Tokenizer,
  type WeightLocations,
} from "@retake/checkpoint";
import type { Engine, HostTensors } from "@retake/gpu-node";
import {
  type ProgramSpec,
  parseTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  type TextConfig,
  type UNetConfig,
  type VaeConfig,
} from "@retake/model";
import * as diffusion from "@retake/model/diffusion";
import { openCheckpointViews } from "./checkpoint-views.js";
import { type GoldenFolder, isThere } from "./golden-folder.js";

/** Runs a program that is loaded already. */
export type RunProgram = (inputs: HostTensors) => Promise<HostTensors>;

/** The checkpoint of a golden folder, on the engine under test. */
export interface GoldenModel {
  readonly engine: Engine;
  readonly unetConfig: UNetConfig;
  readonly textConfig: TextConfig;
  readonly vaeConfig: VaeConfig;
  readonly schedule: diffusion.Schedule;
  readonly tokenizer: Tokenizer;
  readonly unetWeights: WeightLocations;
  readonly textWeights: WeightLocations;
  /** By the name of the file that they come from. */
  readonly vaeWeights: ReadonlyMap<string, WeightLocations>;
}

/** Opens the checkpoint of a golden folder. */
export async function openGoldenModel(
  folder: GoldenFolder,
  options: {
    readonly engine: Engine;
    readonly cacheDir: string;
    /** Taken where the checkpoint has no tokenizer of its own. */
    readonly tokenizerPath: string;
  },
): Promise<GoldenModel> {
  const { engine, cacheDir } = options;
  const views = await openCheckpointViews(folder.checkpointPath, options);
  const checkpoint = views[0]?.checkpoint;
  if (checkpoint === undefined) throw new Error(`${folder.checkpointPath}: found no VAE weights`);
  const { configs, weights } = checkpoint;
  const vaeWeights = new Map<string, WeightLocations>();
  for (const view of views) {
    vaeWeights.set(view.vaeFile, await asFloat32(view.checkpoint.weights.vae, { cacheDir }));
  }
  const own = join(folder.checkpointPath, "tokenizer");
  return {
    engine,
    unetConfig: parseUNetConfig(configs.unet),
    textConfig: parseTextConfig(configs.textEncoder),
    vaeConfig: parseVaeConfig(configs.vae),
    schedule: diffusion.noiseSchedule(diffusion.parseScheduleConfig(configs.scheduler)),
    tokenizer: await createTokenizer((await isThere(own)) ? own : options.tokenizerPath),
    unetWeights: await asFloat32(weights.unet, { cacheDir }),
    textWeights: await asFloat32(weights.textEncoder, { cacheDir }),
    vaeWeights,
  };
}

/** Loads a program, lends it to `use`, and closes it whatever happens. */
export async function withProgram<Result>(
  engine: Engine,
  program: { readonly spec: ProgramSpec; readonly weights: WeightLocations },
  use: (run: RunProgram) => Promise<Result>,
): Promise<Result> {
  const loaded = await engine.load(program.spec, program.weights);
  try {
    return await use((inputs) => loaded.run(inputs));
  } finally {
    await loaded.close();
  }
}

/** The values of one of a program's outputs. */
export function outputOf(outputs: HostTensors, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (data instanceof Float32Array) return data;
  throw new Error(`expected an output ${name}, got ${Object.keys(outputs).join(", ")}`);
}
