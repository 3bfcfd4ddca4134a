import type { ProgramSpec } from "@retake/model";
import type { EngineName, Exchanger, HostTensors, WeightLocations } from "./engine.js";

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
   * @param exchange  how to reach the other ranks: for programs with a shard
   */
  run(
    inputs: HostTensors,
    into?: Readonly<Record<string, Float32Array>>,
    exchange?: Exchanger,
  ): Promise<HostTensors>;
  close(): Promise<void>;
}

/** What an engine is created with; plain data, since it crosses to the worker. */
export interface EngineOptions {
  /** Threads per pass; part of the numerics id. */
  readonly threads: number;
  /** Folder for compiled programs; none keeps nothing. */
  readonly cacheDir?: string;
  /** Folder where ONNX Runtime writes what it spent on each node, once a program is closed. */
  readonly profileDir?: string;
}

/** What was found about a device before an engine is opened on it. */
export interface DeviceFinding {
  /** `plain` where the device's own attention kernel gives wrong numbers. */
  readonly attention: "fused" | "plain";
  /** Devices that round differently differ in it: part of the numerics id. */
  readonly fingerprint: string;
}

/** All that an engine's inside is made from; plain data, since it crosses to the worker. */
export interface RunnerSettings {
  readonly name: EngineName;
  readonly options: EngineOptions;
  readonly device?: DeviceFinding;
}
