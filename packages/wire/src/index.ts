export type { CallSettings } from "./calls/call-settings.js";
export { clientOptions, messageBytesMax, serverOptions } from "./calls/channel-options.js";
export {
  type BidiCall,
  callUnary,
  openBidi,
  readStream,
  sendStream,
} from "./calls/client-calls.js";
export { serveMetrics } from "./calls/serve-metrics.js";
export {
  type CallContext,
  type HandlerOptions,
  handleBidi,
  handleClientStream,
  handleServerStream,
  handleUnary,
  type StreamContext,
} from "./calls/server-handlers.js";
export { typedRequests } from "./calls/typed-requests.js";
export {
  assertDigest,
  ChunkReceiver,
  chunkBytes,
  chunksOf,
  collectChunks,
  fileChunks,
} from "./chunks/chunk.js";
export { errorOfFailure, errorOfStatus, failureOf } from "./failures/grpc-failure.js";
export type { Failure } from "./generated/retake/v1/failure.js";
export { protocolVersion } from "./protocol-version.js";
export { commitSubject, inboxPrefix, shardSubject } from "./subjects.js";
