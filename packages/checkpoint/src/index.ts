export {
  checkDelta,
  type Delta,
  type DeltaHeader,
  readDelta,
  writeDelta,
} from "./delta/delta.js";
export { type Checkpoint, openCheckpointFolder } from "./diffusers/open-checkpoint.js";
export { contentHash } from "./files/content-hash.js";
export { fetchFromHub, type HubOptions, type HubProgress } from "./hub/fetch-from-hub.js";
export { openCheckpoint } from "./open-checkpoint.js";
export {
  openSafetensors,
  readFloat32,
  type SafetensorsFile,
  type WeightLocation,
  type WeightLocations,
} from "./safetensors/read.js";
export { type TensorToWrite, writeSafetensors } from "./safetensors/write.js";
export {
  createTokenizer,
  type PromptTokens,
  promptCharactersMax,
  type Tokenizer,
} from "./tokenizer/clip-tokenizer.js";
export { asFloat32 } from "./weights/float32.js";
export { verifyFinite, verifyTensors } from "./weights/verify.js";
