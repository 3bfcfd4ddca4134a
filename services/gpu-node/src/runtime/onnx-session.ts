import { createRequire } from "node:module";
import { join } from "node:path";
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

/** What of a program decides how its session is opened. */
export interface SessionTerms {
  /** Where the weights' files lie, if the program has weights. */
  readonly folder: string | undefined;
  readonly weightBytes: number;
  /** Whether the program has no backward pass. */
  readonly isForward: boolean;
  /** Whether a low peak of memory is worth some time. */
  readonly isLowMemory: boolean;
}

/** Terms of a program without weights. */
export const weightless: SessionTerms = {
  folder: undefined,
  weightBytes: 0,
  isForward: true,
  isLowMemory: false,
};

/**
 * How a session is opened.
 *
 * Large weights stay mapped, and shared between processes, only without prepacking and without the
 * optimizer's blocked convolutions (design, section 1). Small ones may be copied: a pass of the
 * tiny U-Net is then a sixth faster. Backward passes run in the order that our own compiler gave
 * them, which the optimizer would undo. ONNX Runtime's arena keeps the powers of two that it grows
 * by: without it the peak is lower, and page faults are fewer. On WebGPU no node may fall back to
 * the CPU: each would cost two copies and a wait.
 */
export function sessionOptions(
  name: OnnxEngineName,
  options: EngineOptions,
  { folder, weightBytes, isForward, isLowMemory }: SessionTerms,
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
    intraOpNumThreads: options.threads,
    graphOptimizationLevel: isCpu ? onCpu : "extended",
    enableMemPattern: false,
    // One after the other, nodes reuse dead buffers of their shape, which stay allocated for it.
    ...(isCpu && isLowMemory ? { executionMode: "parallel" as const, interOpNumThreads: 2 } : {}),
    enableCpuMemArena: !isCpu,
    logSeverityLevel: 3,
    ...(options.profileDir === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: join(options.profileDir, name) }),
    extra: { session },
  };
}
