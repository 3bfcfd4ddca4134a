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
