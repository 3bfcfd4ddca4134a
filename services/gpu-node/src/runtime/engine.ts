import type { ProgramSpec } from "@retake/model";

export const engineNames = ["onnx-cpu", "onnx-webgpu", "onnx-cuda", "tfjs"] as const;
export type EngineName = (typeof engineNames)[number];

/** A tensor in this process's memory. `data` has as many elements as `shape` says. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}
export type HostTensors = Readonly<Record<string, HostTensor>>;

/** Where a frozen weight's bytes lie: a range of a file, little-endian, row-major. */
export interface WeightLocation {
  /** Absolute real path (no symlink) of the file. */
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
  readonly dtype: "F32" | "F16" | "BF16";
  readonly shape: readonly number[];
}
export type WeightLocations = ReadonlyMap<string, WeightLocation>;

/**
 * Runs programs on one device. Every engine lives in a worker thread, so that a long run never blocks
 * the event loop of the caller.
 */
export interface Engine {
  readonly name: EngineName;
  /** Names the terms under which two runs give the same bits (design, section 5). */
  readonly numericsId: string;
  /** Traces and compiles a program, or takes it from the program cache. */
  load(spec: ProgramSpec, weights: WeightLocations): Promise<LoadedProgram>;
  close(): Promise<void>;
}

export interface LoadedProgram {
  /**
   * Runs the program once.
   *
   * @param inputs  every input of the program, by name; the arrays are copied, the caller keeps them
   * @returns       every output of the program, by name; the caller owns them
   * @throws RetakeError  `bad-option` for a missing input or another shape; `engine-failed`;
   *                      `stopped` when `signal` was aborted before or while it ran
   */
  run(inputs: HostTensors, options?: { readonly signal?: AbortSignal }): Promise<HostTensors>;
  close(): Promise<void>;
}
