/** Refuse what protobuf lets through: absurd or missing fields. */
export { badMessage, finiteNumber, present, wholeNumber } from "./decoders/bad-message.js";
export {
  type ArtifactId,
  decodeArtifactId,
  decodeEditId,
  decodeNodeId,
  decodeToken,
  type EditId,
  type NodeId,
} from "./decoders/ids.js";
export { decodeNodeInfo, decodeNodeRates } from "./decoders/node-info.js";
export {
  decodeSamplingSettings,
  decodeTuningSettings,
  type SamplingSettings,
  type TuningSettings,
} from "./decoders/settings.js";
export {
  decodeAddress,
  decodeEpoch,
  decodeFrameRange,
  decodeQuorum,
  decodeTaskHeader,
} from "./decoders/task.js";
