/** What kind of failure, so that a program can decide who must act. The names are gRPC's. */
export const Code = {
  InvalidArgument: "INVALID_ARGUMENT",
  NotFound: "NOT_FOUND",
  FailedPrecondition: "FAILED_PRECONDITION",
  ResourceExhausted: "RESOURCE_EXHAUSTED",
  PermissionDenied: "PERMISSION_DENIED",
  Unauthenticated: "UNAUTHENTICATED",
  Unavailable: "UNAVAILABLE",
  DeadlineExceeded: "DEADLINE_EXCEEDED",
  Canceled: "CANCELED",
  DataLoss: "DATA_LOSS",
  Unimplemented: "UNIMPLEMENTED",
  Internal: "INTERNAL",
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/**
 * The one error that crosses package and process borders.
 *
 * `code` says who must act, `reason` is what programs switch on, `message` is for people:
 * *subject: expected X, got Y; what to do.*
 */
export class RetakeError extends Error {
  readonly code: Code;
  readonly reason: Reason;

  constructor(code: Code, reason: Reason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "RetakeError";
    this.code = code;
    this.reason = reason;
  }
}

/** Every reason there is; stable, so that programs may switch on them. */
export const reasons = [
  // files and checkpoints
  "file-not-found",
  "file-unreadable",
  "file-truncated",
  "file-malformed",
  "header-too-large",
  "tensor-missing",
  "tensor-surplus",
  "tensor-shape",
  "tensor-dtype",
  "tensor-not-finite",
  "pickle-forbidden",
  "config-unsupported",
  "checkpoint-incomplete",
  "checksum-mismatch",
  "download-failed",
  "hub-unauthorized",
  "offline",
  // text
  "prompt-empty",
  "prompt-too-long",
  // media
  "not-a-video",
  "video-truncated",
  "too-few-frames",
  "frame-size",
  "ffmpeg-missing",
  "ffmpeg-failed",
  // settings and machine
  "bad-option",
  "memory-short",
  "disk-full",
  "output-not-writable",
  "engine-unavailable",
  "engine-failed",
  "loss-not-finite",
  "snapshot-mismatch",
  "stopped",
  "bug",
  // the cluster
  "bad-message",
  "message-too-large",
  "unreachable",
  "tls-failed",
  "certificate-expired",
  "certificate-mismatch",
  "certificate-role",
  "deadline-passed",
  "not-supported",
  "not-allowed",
  "protocol-mismatch",
  "epoch-stale",
  "lease-lost",
  "quorum-changed",
  "task-unknown",
  "node-busy",
  "node-draining",
  "model-unknown",
  "artifact-missing",
  "weights-differ",
  "not-active",
  "already-running",
  "queue-full",
  "deadline",
  "edit-unknown",
  "edit-state",
  "request-reused",
  "file-unknown",
  "node-unknown",
  "node-name-taken",
  "node-lost",
  "pool-fixed",
  "pool-changed",
  "scale-replaced",
  "task-stale",
  "step-stale",
  "quorum-stale",
  "latents-stale",
  "frame-stale",
  "result-missing",
  "state-missing",
  "numerics-disagree",
  "peer-silent",
  "stalled",
  // the store
  "bad-id",
  "record-malformed",
  "record-newer",
  "record-too-large",
  "artifact-too-large",
  "upload-busy",
  "upload-offset",
  "store-unavailable",
  "write-uncertain",
  "store-newer",
  "nats-unreachable",
  "nats-too-old",
  "nats-without-jetstream",
  "nats-server-failed",
  // Kubernetes
  "kubernetes-unavailable",
  "kubernetes-conflict",
  "kubernetes-missing",
  "kubernetes-expired",
  "kubernetes-refused",
] as const;
export type Reason = (typeof reasons)[number];

/** A shape or axis that the model's functions refuse: a programmer's error, mapped at the edge. */
export class ShapeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ShapeError";
  }
}
