import type { ProgramSpec } from "@retake/model";
import type {
  Engine,
  Exchanger,
  HostTensors,
  LoadedProgram,
  Tuner,
  TunerStart,
} from "../runtime/engine.js";
import type { ModelFiles, ModelPart } from "./model-files.js";
import type { TaskControl } from "./task-control.js";

/** A checkpoint on an engine: what every task runs on. */
export interface Model {
  readonly files: ModelFiles;
  /** Names the terms under which two runs give the same bits. */
  readonly numericsId: string;
  readonly programs: ModelPrograms;
}

export type ProgramKind = "text" | "vae-encode" | "vae-decode" | "unet" | "unet-gradients";

const partOf: Readonly<Record<ProgramSpec["kind"], ModelPart>> = {
  text: "text",
  "vae-encode": "vae",
  "vae-decode": "vae",
  unet: "unet",
  "unet-gradients": "unet",
  module: "unet",
};

/** How long passes took that ran at once, of which there may be so many. */
export interface PassesTime {
  readonly passesAtOnce: number;
  readonly durationMs: number;
}

/** Measures how long passes take. */
export interface PassTimer {
  readonly nowMs: () => number;
  /** Told whenever passes have ended. */
  readonly onPasses: (files: ModelFiles, spec: ProgramSpec, time: PassesTime) => void;
}

/** Puts a checkpoint on an engine, which stays the caller's. Programs load when first run. */
export function openModel(files: ModelFiles, engine: Engine, timer?: PassTimer): Model {
  const programs = new ModelPrograms(files, engine, timer);
  return { files, numericsId: engine.numericsId, programs };
}

/** The programs of a model that are loaded. */
export class ModelPrograms {
  readonly #files: ModelFiles;
  readonly #engine: Engine;
  readonly #timer: PassTimer | undefined;
  readonly #loaded = new Map<string, Loaded>();

  constructor(files: ModelFiles, engine: Engine, timer?: PassTimer) {
    this.#files = files;
    this.#engine = engine;
    this.#timer = timer;
  }

  /**
   * Runs a program once, loading it first where it is not.
   *
   * @param inputs.fixed  inputs that stay the same from run to run: they go to the engine once, and
   *                      are read again when another program needs them
   * @param inputs.exchange  how to reach the other ranks: for programs with a shard
   */
  async run(
    spec: ProgramSpec,
    inputs: {
      readonly fixed?: TensorSource;
      readonly each: HostTensors;
      readonly exchange?: Exchanger;
    },
    control: TaskControl,
  ): Promise<HostTensors> {
    const { exchange, ...others } = inputs;
    if (exchange === undefined) {
      const [outputs = {}] = await this.runEach(spec, { ...others, each: [inputs.each] }, control);
      return outputs;
    }
    // How long a part of a pass takes depends on the others, and says nothing of a whole one.
    const program = await this.load(spec, inputs.fixed);
    const { signal } = control;
    return program.run(inputs.each, { exchange, ...(signal === undefined ? {} : { signal }) });
  }

  /**
   * Runs a program once for each set of inputs, as many at a time as the engine can.
   *
   * @returns  the outputs, in the order of the inputs
   */
  async runEach(
    spec: ProgramSpec,
    inputs: { readonly fixed?: TensorSource; readonly each: readonly HostTensors[] },
    { signal }: TaskControl,
  ): Promise<readonly HostTensors[]> {
    const program = await this.load(spec, inputs.fixed);
    const options = signal === undefined ? {} : { signal };
    const outputs: HostTensors[] = [];
    for (let first = 0; first < inputs.each.length; first += program.passesAtOnce) {
      const together = inputs.each.slice(first, first + program.passesAtOnce);
      const round = () => Promise.all(together.map((each) => program.run(each, options)));
      outputs.push(...(await this.#timed(spec, { program, round })));
    }
    return outputs;
  }

  /** Begins to tune by a program, loading it first where it is not. */
  async createTuner(
    spec: ProgramSpec,
    { fixed, ...start }: TunerStart & { readonly fixed: TensorSource },
  ): Promise<Tuner> {
    const program = await this.load(spec, fixed);
    const tuner = await program.createTuner(start);
    return {
      ...tuner,
      addDraw: (draw, options) =>
        this.#timed(spec, { program, round: () => tuner.addDraw(draw, options) }),
    };
  }

  /** Loads a program, and gives it its fixed inputs, so that its next run only computes. */
  async load(spec: ProgramSpec, fixed: TensorSource | undefined): Promise<LoadedProgram> {
    const loaded = this.#used(spec);
    const program = await loaded.program;
    await fixInputs(loaded, fixed);
    return program;
  }

  /** Of the passes that run at once, and fail or end together; a failure tells of no time. */
  async #timed<Value>(
    spec: ProgramSpec,
    { program, round }: { program: LoadedProgram; round: () => Promise<Value> },
  ): Promise<Value> {
    const timer = this.#timer;
    if (timer === undefined) return round();
    const beganMs = timer.nowMs();
    const value = await round();
    const { passesAtOnce } = program;
    timer.onPasses(this.#files, spec, { passesAtOnce, durationMs: timer.nowMs() - beganMs });
    return value;
  }

  /** Begins to load a program, so that its first run need not wait for that. */
  prepare(spec: ProgramSpec): void {
    this.#load(spec);
  }

  #used(spec: ProgramSpec): Loaded {
    const loaded = this.#load(spec);
    loaded.isUsed = true;
    return loaded;
  }

  #load(spec: ProgramSpec): Loaded {
    const key = JSON.stringify(spec);
    const known = this.#loaded.get(key);
    if (known !== undefined) return known;
    const program = this.#engine.load(spec, this.#files.weights[partOf[spec.kind]]);
    const loaded = { kind: spec.kind, program, fixed: undefined, isUsed: false };
    this.#loaded.set(key, loaded);
    program.catch(() => this.#loaded.delete(key));
    return loaded;
  }

  /**
   * Frees the programs of all other kinds: a phase needs its own memory only. One that was prepared
   * and has not run yet has no activations, and stays.
   */
  async keepOnly(...kinds: readonly ProgramKind[]): Promise<void> {
    const wanted = new Set<string>(kinds);
    for (const [key, { kind, program, isUsed }] of [...this.#loaded]) {
      if (wanted.has(kind) || !isUsed) continue;
      this.#loaded.delete(key);
      await (await program).close();
    }
  }
}

/**
 * Reads tensors anew at every call: they are the caller's, to be given away. A process that samples
 * holds what was tuned once, in the engine.
 */
export type TensorSource = () => Promise<HostTensors>;

interface Loaded {
  readonly kind: string;
  readonly program: Promise<LoadedProgram>;
  /** Where what the program keeps came from. */
  fixed: TensorSource | undefined;
  /** Whether it was asked to run. */
  isUsed: boolean;
}

async function fixInputs(loaded: Loaded, fixed: TensorSource | undefined): Promise<void> {
  if (fixed === undefined || loaded.fixed === fixed) return;
  await (await loaded.program).fix(await fixed());
  loaded.fixed = fixed;
}
