import type { ProgramSpec } from "@retake/model";
import type { AdamWSettings, DrawSum, TuningState, VectorLayout } from "@retake/model/tuning";

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
 * Runs programs on one device. Every engine lives in a worker thread, so that a long run never
 * blocks the event loop of the caller.
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
  /** How many runs make progress at the same time; others wait. */
  readonly passesAtOnce: number;
  /**
   * Runs the program once.
   *
   * @param inputs  every input of the program that is not fixed, by name; the arrays are copied
   * @returns       every output of the program, by name; the caller owns them
   * @throws RetakeError  `bad-option` for a missing input or another shape; `engine-failed`;
   *                      `stopped` when `signal` was aborted before or while it ran
   */
  run(inputs: HostTensors, options?: RunOptions): Promise<HostTensors>;
  /**
   * Keeps inputs with the program, so that runs need not pass them; replaces those kept before. The
   * arrays become the program's: empty here then.
   */
  fix(inputs: HostTensors): Promise<void>;
  /** Begins to tune: for programs of the kind `unet-gradients`. */
  createTuner(start: TunerStart): Promise<Tuner>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** How to reach the other ranks: for programs with a shard. */
  readonly exchange?: Exchanger;
}

/** What a rank gives the others at one point of a pass, and how much it waits for. */
export interface ExchangeRound {
  /** By rank; empty where nothing goes there. The arrays become the exchanger's. */
  readonly sends: readonly Float32Array[];
  /** How many values come from each rank. */
  readonly lengths: readonly number[];
}

/**
 * Exchanges values with the ranks that run the other parts of a program.
 *
 * @returns  what each rank gave, by rank; the arrays become the engine's
 */
export type Exchanger = (round: ExchangeRound) => Promise<readonly Float32Array[]>;

/** What a tuning goes on from. The arrays of the state become the tuner's: empty here then. */
export interface TunerStart {
  readonly layout: VectorLayout;
  readonly state: TuningState;
}

/** How an update is done. */
export interface TunerUpdate {
  /** Which update this is, from 0. */
  readonly step: number;
  readonly settings: AdamWSettings;
  /** Gradients are scaled down to this norm. */
  readonly gradientNormMax: number;
}

/** One update, after all draws of its step were added here. */
export interface TunerStep extends TunerUpdate {
  readonly drawCount: number;
}

/** One update by a gradient that was summed elsewhere. */
export interface TunerGradient extends TunerUpdate {
  /** The mean over the step's draws; copied. */
  readonly gradient: Float32Array;
  /** Its norm before clipping, by `gradientNorm`; finite. */
  readonly norm: number;
}

/**
 * Holds the flat vector that is tuned and its moments beside the engine, so that neither they nor
 * their gradients travel between threads. What it is asked is done in order: a step may be ended
 * while its last draw is under way.
 */
export interface Tuner {
  /**
   * Adds the gradient of one draw to the step under way.
   *
   * @param inputs  as for `run`, without the tensors that are tuned
   * @returns       the draw's loss
   */
  addDraw(draw: { drawIndex: number; inputs: HostTensors }, options?: RunOptions): Promise<number>;
  /**
   * Ends the step: clips the mean gradient and applies AdamW, if the losses and the norm are
   * finite. The draws are forgotten in any case.
   *
   * @returns  the mean gradient's norm before clipping; not finite if the step was abandoned
   */
  applyStep(step: TunerStep): Promise<number>;
  /**
   * Hands over the sums of the step under way, to be reduced elsewhere: what `mergedDrawSums`
   * leaves of the draws that were added. They are forgotten here.
   */
  takeSums(): Promise<readonly DrawSum[]>;
  /** Clips a reduced gradient and applies AdamW, as `applyStep` does with its own. */
  applyGradient(update: TunerGradient): Promise<void>;
  /** Forgets the draws of the step under way. */
  abandonStep(): Promise<void>;
  /** SHA-256 of the vector's bytes as they stand, in hexadecimal. */
  weightsHash(): Promise<string>;
  /** Copies of the vector and its moments as they stand. */
  state(): Promise<TuningState>;
  /** The vector and its moments themselves; the tuner is closed by it. */
  finish(): Promise<TuningState>;
  close(): Promise<void>;
}
