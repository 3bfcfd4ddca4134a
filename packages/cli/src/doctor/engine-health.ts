import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { EngineName, EngineStatus } from "@retake/gpu-node";

export interface EngineHealth {
  readonly name: EngineName;
  readonly works: boolean;
  /** Why not; null where it works. */
  readonly reason: string | null;
  /** What would make it work; null where it works. */
  readonly advice: string | null;
  readonly numericsId: string | null;
}

const probeTimeMaxMs = 60_000;
const reasonCharactersMax = 300;
const probe = fileURLToPath(new URL("./probe-main.js", import.meta.url));

const advice: Readonly<Record<EngineName, string>> = {
  "onnx-cpu": "it is part of the package onnxruntime-node: run npm ci again",
  "onnx-webgpu":
    "it needs a Vulkan loader and a GPU driver (Debian, Ubuntu: apt-get install libvulkan1 and " +
    "your GPU's driver)",
  "onnx-cuda":
    "it needs an NVIDIA driver, CUDA 12 with cuDNN 9, and ONNX Runtime's own libraries: " +
    "run node node_modules/onnxruntime-node/script/install.js",
  tfjs: "it is part of the package @tensorflow/tfjs: run npm ci again",
};

/** Whether an engine works here, found out by running it in a process of its own. */
export async function engineHealth(name: EngineName, signal: AbortSignal): Promise<EngineHealth> {
  const status = await probed(name, signal);
  if (status.works) {
    return { name, works: true, reason: null, advice: null, numericsId: status.numericsId };
  }
  const reason = status.reason.replace(/\s+/g, " ").slice(0, reasonCharactersMax);
  return { name, works: false, reason, advice: advice[name], numericsId: null };
}

async function probed(name: EngineName, signal: AbortSignal): Promise<EngineStatus> {
  try {
    const options = { timeout: probeTimeMaxMs, signal };
    const { stdout } = await promisify(execFile)(process.execPath, [probe, name], options);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as EngineStatus;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const ended = thrown instanceof Error && "signal" in thrown ? String(thrown.signal) : "";
    const how = ended === "" || ended === "null" ? "its probe failed" : `it ended with ${ended}`;
    return { works: false, reason: how };
  }
}
