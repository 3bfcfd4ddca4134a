import { describe, expect, it } from "vitest";
import { fromUnknown } from "./from-unknown.js";
import { Code, RetakeError, ShapeError } from "./retake-error.js";

const nodeError = (code: string): Error => Object.assign(new Error(`${code}: broken`), { code });

describe("fromUnknown", () => {
  it("returns a RetakeError as it is", () => {
    const error = new RetakeError(Code.NotFound, "file-not-found", "x");
    expect(fromUnknown(error, "reading")).toBe(error);
  });

  it.each([
    ["ENOENT", Code.NotFound, "file-not-found"],
    ["ENOTDIR", Code.NotFound, "file-not-found"],
    ["EISDIR", Code.InvalidArgument, "file-unreadable"],
    ["EACCES", Code.PermissionDenied, "file-unreadable"],
    ["EPERM", Code.PermissionDenied, "file-unreadable"],
    ["EROFS", Code.PermissionDenied, "output-not-writable"],
    ["ENOSPC", Code.ResourceExhausted, "disk-full"],
    ["EDQUOT", Code.ResourceExhausted, "disk-full"],
    ["EMFILE", Code.ResourceExhausted, "memory-short"],
    ["ENOMEM", Code.ResourceExhausted, "memory-short"],
  ])("maps Node's %s to %s", (errno, code, reason) => {
    const mapped = fromUnknown(nodeError(errno), "writing x");
    expect([mapped.code, mapped.reason]).toEqual([code, reason]);
    expect(mapped.message).toBe(`writing x: ${errno}: broken`);
  });

  it("calls an abort stopped, and anything else a bug, with its cause kept", () => {
    const abort = Object.assign(new Error("gone"), { name: "AbortError" });
    expect(fromUnknown(abort, "tuning").reason).toBe("stopped");
    const shape = new ShapeError("latents: expected 5 axes");
    expect(fromUnknown(shape, "tuning").cause).toBe(shape);
    expect(fromUnknown("text", "tuning").reason).toBe("bug");
  });
});
