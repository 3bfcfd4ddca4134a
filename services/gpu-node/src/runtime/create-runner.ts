import { OnnxRunner } from "./onnx-runner.js";
import { isOnnxEngine } from "./onnx-session.js";
import type { Runner, RunnerSettings } from "./runner.js";

/**
 * Makes an engine's inside; only the engine that is asked for is loaded.
 *
 * @param environment  of the process: `RETAKE_TFJS_NODE` names a folder with TensorFlow's binding
 */
export async function createRunner(
  settings: RunnerSettings,
  environment: NodeJS.ProcessEnv,
): Promise<Runner> {
  const { name, options, device } = settings;
  if (isOnnxEngine(name)) return new OnnxRunner(name, options, device);
  const { createTfjsRunner } = await import("./tfjs-runner.js");
  return createTfjsRunner(options, { bindingDir: environment["RETAKE_TFJS_NODE"] });
}
