import type { ChannelOptions } from "@grpc/grpc-js";

/** One frame of 4096 x 4096 pixels, the largest message there is, and room for its fields. */
export const messageBytesMax = 52 * 2 ** 20;
/** Node's own window of 64 KiB lets 13 MB/s through at 4 ms of round trip; this one 400. */
const windowBytes = 8 * 2 ** 20;
const keepaliveEveryMs = 20_000;
const keepaliveTimeoutMs = 10_000;
const reconnectDelayMsMin = 200;
const reconnectDelayMsMax = 3_000;
const streamsMax = 1_000;

const bothEnds: ChannelOptions = {
  "grpc.max_receive_message_length": messageBytesMax,
  "grpc.max_send_message_length": messageBytesMax,
  "grpc.keepalive_time_ms": keepaliveEveryMs,
  "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
};

/**
 * How a client connects. Whoever receives bulk data is the client: only its window can be raised.
 */
export const clientOptions: ChannelOptions = {
  ...bothEnds,
  "grpc-node.flow_control_window": windowBytes,
  // A connection of its own: none that another client has seen fail at the same address.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.initial_reconnect_backoff_ms": reconnectDelayMsMin,
  "grpc.min_reconnect_backoff_ms": reconnectDelayMsMin,
  "grpc.max_reconnect_backoff_ms": reconnectDelayMsMax,
};

export const serverOptions: ChannelOptions = {
  ...bothEnds,
  "grpc.max_concurrent_streams": streamsMax,
};
