import { createRequire } from "node:module";
import { join } from "node:path";
import type { Program } from "@retake/model";
import type * as ort from "onnxruntime-node";
import type { EngineName } from "./engine.js";
import type { EngineOptions } from "./runner.js";

const providers = {
  "onnx-cpu": "cpu",
  "onnx-webgpu": "webgpu",
  "onnx-cuda": "cuda",
} as const;
export type OnnxEngineName = keyof typeof providers;

/** Whether an engine is one of those that ONNX Runtime serves. */
export function isOnnxEngine(name: EngineName): name is OnnxEngineName {
  return name in providers;
}

const require = createRequire(import.meta.url);
export const { version: ortVersion } = require("onnxruntime-node/package.json") as {
  version: string;
};

/** Up to so many bytes of weights, a session may copy them into the layouts that it likes best. */
const copiedWeightBytesMax = 256 * 2 ** 20;

/** Beyond so many bytes of weights, a pass takes so much memory that its plan matters. */
const plannedWeightBytesMax = 64 * 2 ** 20;

const isTinyOnCpu = (name: EngineName, weightBytes: number): boolean =>
  name === "onnx-cpu" && weightBytes <= plannedWeightBytesMax;

/**
 * Whether a program hides its shapes from ONNX Runtime: on the CPU, for networks that are not tiny.
 * A tiny one is loaded and run faster when they are known.
 */
export function hidesShapes(name: OnnxEngineName, weightBytes: number): boolean {
  return name === "onnx-cpu" && weightBytes > plannedWeightBytesMax;
}

/**
 * Whether forward passes get one thread each: on the CPU, for tiny networks, whose passes spend
 * their time between operations. Two passes side by side then take the time of one.
 */
export function hasOneThreadPasses(name: EngineName, weightBytes: number): boolean {
  return isTinyOnCpu(name, weightBytes);
}

/**
 * Whether a program is kept as ONNX Runtime's optimizer left it: on the CPU, for tiny networks,
 * which take longer to be optimized than to run. With it, copies of its weights are kept.
 */
export function keepsOptimized(name: OnnxEngineName, weightBytes: number): boolean {
  return isTinyOnCpu(name, weightBytes);
}

/** Whether a program has no backward pass. */
export function isForward(program: Program): boolean {
  return program.outputs.every(({ name }) => name !== "loss");
}

/**
 * Whether a program's 3x3 convolutions, and their gradients, are computed in tiles where that is
 * faster: on the CPU, where the engine computes convolutions as they stand. With weights that it
 * may copy it has blocked convolutions, which are faster than what tiles are made of.
 */
export function tilesConvolutions(name: OnnxEngineName, weightBytes: number): boolean {
  return name === "onnx-cpu" && weightBytes > copiedWeightBytesMax;
}

/** What of a program decides how its session is opened. */
export interface SessionTerms {
  /** Where the weights' files lie, if the program has weights. */
  readonly folder: string | undefined;
  readonly weightBytes: number;
  /** Whether the program has no backward pass. */
  readonly isForward: boolean;
}

/** Terms of a program without weights. */
export const weightless: SessionTerms = {
  folder: undefined,
  weightBytes: 0,
  isForward: true,
};

/**
 * How a session is opened.
 *
 * Large weights stay mapped, and shared between processes, only without prepacking and without the
 * optimizer's blocked convolutions (design, section 1). Small ones may be copied: a pass of the
 * tiny U-Net is then a sixth faster. Backward passes run in the order that our own compiler gave
 * them, which the optimizer would undo: of it they get, in tiny networks, what blocks convolutions
 * (`withBlockedConvolutions`). Buffers come from ONNX Runtime's arena: from the system's
 * allocator they are either not given back, or page faults double the time of a pass. The arena's
 * peak is near the sum of what is alive, since programs hide their shapes (`LoweringOptions`).
 * `enableMemPattern` doubles the memory of a backward pass; `executionMode: "parallel"` saves
 * memory as hidden shapes do, but takes twice the time. On WebGPU no node may fall back to the CPU:
 * each would cost two copies and a wait.
 */
export function sessionOptions(
  name: OnnxEngineName,
  options: EngineOptions,
  { folder, weightBytes, isForward }: SessionTerms,
): ort.InferenceSession.SessionOptions {
  const isCpu = name === "onnx-cpu";
  const mayCopy = isCpu && weightBytes <= copiedWeightBytesMax;
  const session = {
    disable_prepacking: mayCopy ? "0" : "1",
    ...(name === "onnx-webgpu" ? { disable_cpu_ep_fallback: "1" } : {}),
    ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
  };
  const onCpu = mayCopy && isForward ? "all" : "disabled";
  return {
    executionProviders: [providers[name]],
    intraOpNumThreads: isForward && hasOneThreadPasses(name, weightBytes) ? 1 : options.threads,
    graphOptimizationLevel: isCpu ? onCpu : "extended",
    enableMemPattern: false,
    enableCpuMemArena: true,
    logSeverityLevel: 3,
    ...(options.profileDir === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: join(options.profileDir, name) }),
    extra: { session },
  };
}
