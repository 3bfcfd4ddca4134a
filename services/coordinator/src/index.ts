export {
  type Coordinator,
  type CoordinatorOptions,
  createCoordinator,
} from "./create-coordinator.js";
export { writeAtomically } from "./media/atomic-file.js";
export { type Clip, clipHash } from "./media/clip.js";
export { fitSize, type Size } from "./media/clip-size.js";
export { type DecodedClip, type DecodeOptions, decodeClip } from "./media/decode.js";
export {
  type AudioSource,
  type EncodedVideo,
  type EncodeOptions,
  encodeGif,
  encodeVideo,
} from "./media/encode.js";
export type { ClipStart, Fit } from "./media/frame-choice.js";
export { writePoster } from "./media/poster.js";
export { probeVideo } from "./media/probe.js";
export type { VideoInfo } from "./media/probe-output.js";
export { findPrograms, type ProgramStatus, type Programs } from "./media/programs.js";
export type { Rate } from "./media/rate.js";
export { encodeSideBySide, type Tile } from "./media/side-by-side.js";
export { jsonCodec } from "./store/codec.js";
export { collectGarbage } from "./store/collect-garbage.js";
export { createEpochLock } from "./store/epoch-lock.js";
export { openFolderArtifacts } from "./store/folder-artifacts.js";
export { openJetStreamStores } from "./store/jetstream-stores.js";
export { createMemoryArtifacts } from "./store/memory-artifacts.js";
export { createMemoryStores } from "./store/memory-stores.js";
export { connectNats } from "./store/nats-connection.js";
export { natsPermissions } from "./store/nats-permissions.js";
export { type NatsServer, startNatsCluster, startNatsServer } from "./store/nats-server.js";
export { decideGarbage } from "./store/retention.js";
