import { Metadata, status } from "@grpc/grpc-js";
import { Code, RetakeError, reasons } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Failure } from "../generated/retake/v1/failure.js";
import { errorOfFailure, errorOfStatus, failureOf, statusOf } from "./grpc-failure.js";

/** What grpc-js gives a client for a status. */
const received = (given: { code: number; details: string; metadata?: Metadata }): Error =>
  Object.assign(new Error(given.details), { metadata: new Metadata(), ...given });

const fields = ({ code, reason, message }: RetakeError): readonly string[] => [
  code,
  reason,
  message,
];

describe("statusOf and errorOfStatus", () => {
  it("carry every code and reason from one process to another", () => {
    for (const code of Object.values(Code)) {
      for (const reason of reasons) {
        const error = new RetakeError(code, reason, `ein Ding – ${reason}`);
        const answered = received(statusOf(error, "unused"));
        expect(fields(errorOfStatus(answered, "unused"))).toEqual(fields(error));
      }
    }
  });

  it("give every code its own gRPC status, with the message for other people's clients", () => {
    const codes = Object.values(Code);
    const answered = codes.map((code) => statusOf(new RetakeError(code, "bug", "why"), ""));
    expect(new Set(answered.map(({ code }) => code)).size).toBe(codes.length);
    expect(answered.map(({ details }) => details)).toEqual(codes.map(() => "why"));
  });

  it("name an error that is not ours a bug, by its subject", () => {
    const error = errorOfStatus(received(statusOf(new TypeError("no"), "serving")), "calling");
    expect(fields(error)).toEqual([Code.Internal, "bug", "serving: no"]);
  });

  it("cut a message that would not fit into a header", () => {
    const answered = statusOf(new RetakeError(Code.NotFound, "bug", "x".repeat(100_000)), "");
    expect(answered.details.length).toBe(2000);
  });
});

describe("errorOfStatus", () => {
  it.each([
    [status.UNAVAILABLE, Code.Unavailable, "unreachable"],
    [status.DEADLINE_EXCEEDED, Code.DeadlineExceeded, "deadline-passed"],
    [status.CANCELLED, Code.Unavailable, "unreachable"],
    [status.RESOURCE_EXHAUSTED, Code.ResourceExhausted, "message-too-large"],
    [status.UNIMPLEMENTED, Code.Unimplemented, "not-supported"],
    [status.UNAUTHENTICATED, Code.Unauthenticated, "not-allowed"],
    [status.PERMISSION_DENIED, Code.PermissionDenied, "not-allowed"],
    [status.INVALID_ARGUMENT, Code.InvalidArgument, "bad-message"],
    [status.OUT_OF_RANGE, Code.InvalidArgument, "bad-message"],
    [status.INTERNAL, Code.Internal, "bug"],
    [status.UNKNOWN, Code.Internal, "bug"],
    [99, Code.Internal, "bug"],
  ])("reads a bare status %i as %s", (given, code, reason) => {
    const error = errorOfStatus(received({ code: given, details: "gone" }), "joining");
    expect(fields(error)).toEqual([code, reason, "joining: gone"]);
  });

  it.each([
    [
      14,
      "Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ",
      "nothing listens",
    ],
    [14, "No connection established. Last error: Protocol error", "something else answers"],
    [14, "Name resolution failed for target dns:nowhere:1", "a host of this name, found none"],
    [4, "Deadline exceeded after 10.003s,Waiting for LB pick", "a connection in time, got none"],
  ])("says of status %i what %j means", (code, details, meaning) => {
    const { message } = errorOfStatus(received({ code, details }), "listing edits at x:1");
    expect(message).toMatch(/^listing edits at x:1: expected .*; .*look at the address/);
    expect(message).toContain(meaning);
  });

  it("reads the status where the trailer is not ours", () => {
    const metadata = new Metadata();
    metadata.set("retake-failure-bin", Buffer.from([0xff, 0xff, 0xff]));
    const error = errorOfStatus(received({ code: 14, details: "gone", metadata }), "joining");
    expect(error.reason).toBe("unreachable");
  });

  it("leaves an error of ours as it is", () => {
    const error = new RetakeError(Code.NotFound, "file-not-found", "x");
    expect(errorOfStatus(error, "reading")).toBe(error);
  });

  it("survives any bytes in the trailer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const metadata = new Metadata();
        metadata.set("retake-failure-bin", Buffer.from(bytes));
        const error = errorOfStatus(received({ code: 5, details: "", metadata }), "x");
        expect(Object.values(Code)).toContain(error.code);
        expect(reasons).toContain(error.reason);
      }),
    );
  });
});

describe("errorOfFailure", () => {
  it("keeps a code that it knows with a reason that it does not, and the other way round", () => {
    const newer = { code: Code.NotFound, reason: "of-a-later-release", message: "m" };
    expect(fields(errorOfFailure(newer))).toEqual([Code.NotFound, "bug", "m"]);
    const odd = { code: "TEAPOT", reason: "disk-full", message: "m" };
    expect(fields(errorOfFailure(odd))).toEqual([Code.Internal, "disk-full", "m"]);
  });

  it("is the inverse of failureOf", () => {
    const error = new RetakeError(Code.DataLoss, "checksum-mismatch", "m");
    const sent = Failure.decode(Failure.encode(failureOf(error)).finish());
    expect(fields(errorOfFailure(sent))).toEqual(fields(error));
  });
});
