import type { ProgramSpec } from "@retake/model";
import type { Engine, HostTensors, LoadedProgram } from "../runtime/engine.js";
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

/** Puts a checkpoint on an engine. Programs are loaded when first run; the engine stays the caller's. */
export function openModel(files: ModelFiles, engine: Engine): Model {
  const programs = new ModelPrograms(files, engine);
  return { files, numericsId: engine.numericsId, programs };
}

/** The programs of a model that are loaded. */
export class ModelPrograms {
  readonly #files: ModelFiles;
  readonly #engine: Engine;
  readonly #loaded = new Map<string, { kind: string; program: Promise<LoadedProgram> }>();

  constructor(files: ModelFiles, engine: Engine) {
    this.#files = files;
    this.#engine = engine;
  }

  /** Runs a program once, loading it first where it is not. */
  async run(spec: ProgramSpec, inputs: HostTensors, control: TaskControl): Promise<HostTensors> {
    const program = await this.#load(spec);
    const { signal } = control;
    return program.run(inputs, signal === undefined ? {} : { signal });
  }

  #load(spec: ProgramSpec): Promise<LoadedProgram> {
    const key = JSON.stringify(spec);
    const known = this.#loaded.get(key);
    if (known !== undefined) return known.program;
    const program = this.#engine.load(spec, this.#files.weights[partOf[spec.kind]]);
    this.#loaded.set(key, { kind: spec.kind, program });
    program.catch(() => this.#loaded.delete(key));
    return program;
  }

  /** Frees the programs of all other kinds: a phase needs its own memory only. */
  async keepOnly(...kinds: readonly ProgramKind[]): Promise<void> {
    const wanted = new Set<string>(kinds);
    for (const [key, { kind, program }] of [...this.#loaded]) {
      if (wanted.has(kind)) continue;
      this.#loaded.delete(key);
      await (await program).close();
    }
  }
}
