export { createEngine } from "./runtime/create-engine.js";
export {
  type Engine,
  type EngineName,
  engineNames,
  type HostTensor,
  type HostTensors,
  type LoadedProgram,
  type WeightLocation,
  type WeightLocations,
} from "./runtime/engine.js";
export type { EngineOptions } from "./runtime/runner.js";
export type { ClipPixels } from "./tasks/clip-pixels.js";
export { decodeLatents } from "./tasks/decode-latents.js";
export { type ClipMoments, encodeClip, meanLatents } from "./tasks/encode-clip.js";
export { type EncodedPrompt, encodePrompts } from "./tasks/encode-prompts.js";
export { type InvertInput, invert } from "./tasks/invert.js";
export { measureRate } from "./tasks/measure-rate.js";
export { type ModelFiles, type ModelSource, openModelFiles } from "./tasks/model-files.js";
export { type Model, openModel } from "./tasks/open-model.js";
export {
  type PassCost,
  type PassCosts,
  type PassName,
  predictCost,
  type WorkSizes,
} from "./tasks/predict-cost.js";
export { type EngineStatus, probeEngine } from "./tasks/probe-engine.js";
export { type SampleInput, sample } from "./tasks/sample.js";
export type { TaskControl, TaskProgress } from "./tasks/task-control.js";
export {
  type SnapshotOptions,
  type TuneInput,
  type TuneResult,
  type TuneSettings,
  tune,
} from "./tasks/tune.js";
export {
  openDelta,
  readTensors,
  saveDelta,
  type TunedDelta,
  writeTensors,
} from "./tasks/tuned-delta.js";
export { startTensors, type TuningStart, tunedBytes } from "./tasks/tuned-tensors.js";
