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

/**
 * How a session is opened. Mapped weights stay shared between processes only without prepacking
 * (design, section 1). For the CPU, nodes are fused and ordered by our own compiler: ONNX Runtime's
 * optimizer would undo the order. Its arena keeps the powers of two that it grows by: without it
 * the peak is lower, and page faults are fewer. On WebGPU no node may fall back to the CPU: each
 * would cost two copies and a wait.
 *
 * @param folder  where the weights' files lie, if the program has weights
 */
export function sessionOptions(
  name: OnnxEngineName,
  options: EngineOptions,
  folder: string | undefined,
): ort.InferenceSession.SessionOptions {
  const session = {
    disable_prepacking: "1",
    ...(name === "onnx-webgpu" ? { disable_cpu_ep_fallback: "1" } : {}),
    ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
  };
  return {
    executionProviders: [providers[name]],
    intraOpNumThreads: options.threads,
    graphOptimizationLevel: name === "onnx-cpu" ? "disabled" : "extended",
    enableMemPattern: false,
    enableCpuMemArena: name !== "onnx-cpu",
    logSeverityLevel: 3,
    ...(options.profileDir === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: join(options.profileDir, name) }),
    extra: { session },
  };
}
