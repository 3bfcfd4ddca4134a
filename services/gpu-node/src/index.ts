export { createEngine } from "./runtime/create-engine.js";
export {
  type Engine,
  type EngineName,
  engineNames,
  type HostTensor,
  type HostTensors,
  type LoadedProgram,
  type WeightLocations,
} from "./runtime/engine.js";
export { engineVersions } from "./runtime/engine-versions.js";
export type { ClipPixels } from "./tasks/clip-pixels.js";
export { decodeLatents } from "./tasks/decode-latents.js";
export { prepareEdit } from "./tasks/edit-programs.js";
export { type ClipMoments, encodeClip, meanLatents } from "./tasks/encode-clip.js";
export { encodePrompts } from "./tasks/encode-prompts.js";
export { invert } from "./tasks/invert.js";
export { measureRate } from "./tasks/measure-rate.js";
export { type ModelFiles, openModelFiles } from "./tasks/model-files.js";
export { type Model, openModel, type TensorSource } from "./tasks/open-model.js";
export { type PassCosts, type PassName, predictCost } from "./tasks/predict-cost.js";
export { type EngineStatus, probeEngine } from "./tasks/probe-engine.js";
export { checkSampling, sample } from "./tasks/sample.js";
export type { TaskControl } from "./tasks/task-control.js";
export { tune } from "./tasks/tune.js";
export {
  openDelta,
  readTensors,
  saveDelta,
  type TunedDelta,
  tunedTensors,
  writeTensors,
} from "./tasks/tuned-delta.js";
export { startTensors, tunedBytes } from "./tasks/tuned-tensors.js";
