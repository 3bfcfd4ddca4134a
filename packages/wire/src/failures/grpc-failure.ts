import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import { Code, fromUnknown, type Reason, RetakeError, reasons } from "@retake/errors";
import { Failure } from "../generated/retake/v1/failure.js";

/** The trailer that carries a failure; the suffix says that its value is bytes. */
const failureTrailer = "retake-failure-bin";
/** A trailer must fit into one HTTP/2 header block. */
const messageCharactersMax = 2000;

const statuses: Readonly<Record<Code, status>> = {
  [Code.InvalidArgument]: status.INVALID_ARGUMENT,
  [Code.NotFound]: status.NOT_FOUND,
  [Code.FailedPrecondition]: status.FAILED_PRECONDITION,
  [Code.ResourceExhausted]: status.RESOURCE_EXHAUSTED,
  [Code.PermissionDenied]: status.PERMISSION_DENIED,
  [Code.Unauthenticated]: status.UNAUTHENTICATED,
  [Code.Unavailable]: status.UNAVAILABLE,
  [Code.DeadlineExceeded]: status.DEADLINE_EXCEEDED,
  [Code.Canceled]: status.CANCELLED,
  [Code.DataLoss]: status.DATA_LOSS,
  [Code.Unimplemented]: status.UNIMPLEMENTED,
  [Code.Internal]: status.INTERNAL,
};

/** What a status means that no process of ours gave a reason for. */
const meanings: ReadonlyMap<number, readonly [Code, Reason]> = new Map([
  // A server that shuts down; what its handler or our own caller stopped says so itself.
  [status.CANCELLED, [Code.Unavailable, "unreachable"]],
  [status.INVALID_ARGUMENT, [Code.InvalidArgument, "bad-message"]],
  [status.OUT_OF_RANGE, [Code.InvalidArgument, "bad-message"]],
  [status.DEADLINE_EXCEEDED, [Code.DeadlineExceeded, "deadline-passed"]],
  [status.PERMISSION_DENIED, [Code.PermissionDenied, "not-allowed"]],
  [status.UNAUTHENTICATED, [Code.Unauthenticated, "not-allowed"]],
  [status.RESOURCE_EXHAUSTED, [Code.ResourceExhausted, "message-too-large"]],
  [status.UNIMPLEMENTED, [Code.Unimplemented, "not-supported"]],
  [status.UNAVAILABLE, [Code.Unavailable, "unreachable"]],
]);

/** An error as a message: without its cause, and with a message of bounded length. */
export function failureOf({ code, reason, message }: RetakeError): Failure {
  return { code, reason, message: message.slice(0, messageCharactersMax) };
}

/** The error that a failure says; a code or reason that is not in our lists is a bug. */
export function errorOfFailure({ code, reason, message }: Failure): RetakeError {
  const knownCode = Object.values(Code).find((known) => known === code) ?? Code.Internal;
  const knownReason = reasons.find((known) => known === reason) ?? "bug";
  return new RetakeError(knownCode, knownReason, message);
}

/**
 * What a server answers instead of a result.
 *
 * @param subject  what was being done, for errors that are not ours yet
 */
export function statusOf(thrown: unknown, subject: string): StatusObject {
  const failure = failureOf(fromUnknown(thrown, subject));
  const metadata = new Metadata();
  metadata.set(failureTrailer, Buffer.from(Failure.encode(failure).finish()));
  const { code } = errorOfFailure(failure);
  return { code: statuses[code], details: failure.message, metadata };
}

/**
 * The error behind a call that failed: the server's own, or what gRPC says of the connection.
 *
 * @param subject  what was being done: "joining 127.0.0.1:7000"
 */
export function errorOfStatus(thrown: unknown, subject: string): RetakeError {
  if (!isServiceError(thrown)) return fromUnknown(thrown, subject);
  const sent = sentFailure(thrown);
  if (sent !== undefined) return sent;
  const [code, reason] = meanings.get(thrown.code) ?? [Code.Internal, "bug"];
  if (reason === "unreachable") return unreachable(thrown, subject);
  const said = meaningOf(thrown, connectionProblems) ?? thrown.details;
  return new RetakeError(code, reason, `${subject}: ${said}`, { cause: thrown });
}

/** What OpenSSL and Node say of a handshake that failed, and what it means here. */
const handshakeProblems: readonly (readonly [said: RegExp, meaning: string])[] = [
  [
    /wrong version number|packet length too long/,
    "expected a server with TLS, got one without; leave --tls away here, or give it there too",
  ],
  [
    /certificate has expired|not yet valid/,
    "expected a server whose certificate is valid today, got an expired one; renew it there",
  ],
  [
    /does not match certificate's altnames/,
    "expected a server of another role; look at the address, and at its certificate's DNS names",
  ],
  [
    /self[- ]signed certificate|unable to (?:get|verify)|certificate signature/,
    "expected a server that the CA in ca.crt has signed, got one of another CA; compare both",
  ],
];

/** What gRPC says of a connection that was never there, and what it means here. */
const connectionProblems: typeof handshakeProblems = [
  [/ECONNREFUSED/, "expected a server, nothing listens there; start it, or look at the address"],
  [
    /Protocol error|Parse Error/,
    "expected a server of Retake, something else answers there; look at the address",
  ],
  [
    /Name resolution failed|ENOTFOUND|EAI_AGAIN/,
    "expected a host of this name, found none; look at the address",
  ],
  [
    /Waiting for LB pick/,
    "expected a connection in time, got none; look at the address, and at firewalls on the way",
  ],
];

function meaningOf(
  { details }: ServiceError,
  problems: typeof handshakeProblems,
): string | undefined {
  return problems.find(([said]) => said.test(details))?.[1];
}

function unreachable(cause: ServiceError, subject: string): RetakeError {
  const { details } = cause;
  const handshake = meaningOf(cause, handshakeProblems);
  if (handshake !== undefined) {
    const message = `${subject}: ${handshake} (${details.replace(/\s+/g, " ").trim()})`;
    return new RetakeError(Code.Unavailable, "tls-failed", message, { cause });
  }
  const connection = meaningOf(cause, connectionProblems);
  if (connection !== undefined)
    return new RetakeError(Code.Unavailable, "unreachable", `${subject}: ${connection}`, { cause });
  // A server with TLS closes the connection of a client without, and says nothing.
  const isClosed = details.includes("Last error: Failed to connect");
  const advice = isClosed ? "; if the server has TLS, give --tls" : "";
  const message = `${subject}: ${details.trim()}${advice}`;
  return new RetakeError(Code.Unavailable, "unreachable", message, { cause });
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return (
    thrown instanceof Error &&
    ("code" in thrown ? typeof thrown.code === "number" : false) &&
    "details" in thrown
  );
}

function sentFailure(error: ServiceError): RetakeError | undefined {
  const [bytes] = error.metadata?.get(failureTrailer) ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    return errorOfFailure(Failure.decode(bytes));
  } catch {
    // Someone else's trailer of the same name: the status still says what happened.
    return undefined;
  }
}
