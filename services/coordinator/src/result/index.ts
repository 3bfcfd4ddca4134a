export { type FileDigest, fileDigest, jsonDigest } from "./file-digest.js";
export {
  type Manifest,
  manifestFormat,
  manifestName,
  manifestVersion,
  type PhaseTime,
  rateText,
  type StopChoice,
  writeManifest,
} from "./manifest.js";
export { writeEdits } from "./write-edits.js";
