import type { ProgramSpec } from "@retake/model";
import type { HostTensors, WeightLocations } from "./engine.js";

/** An engine's inside, as it lives in the worker: blocking calls are fine here. */
export interface Runner {
  readonly numericsId: string;
  load(spec: ProgramSpec, weights: WeightLocations): Promise<RunnerProgram>;
  close(): Promise<void>;
}

export interface RunnerProgram {
  /**
   * Runs once.
   *
   * @param into  arrays to write outputs to, by name. These outputs are not among the results; a
   *              runner that cannot write into arrays leaves them there instead
   */
  run(inputs: HostTensors, into?: Readonly<Record<string, Float32Array>>): Promise<HostTensors>;
  close(): Promise<void>;
}

/** What an engine is created with; plain data, since it crosses to the worker. */
export interface EngineOptions {
  /** Threads per pass; part of the numerics id. */
  readonly threads: number;
  /** Folder for compiled programs; none keeps nothing. */
  readonly cacheDir?: string;
}
