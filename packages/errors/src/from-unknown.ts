import { Code, type Reason, RetakeError, ShapeError } from "./retake-error.js";

const byErrno: Readonly<Record<string, readonly [Code, Reason]>> = {
  ENOENT: [Code.NotFound, "file-not-found"],
  ENOTDIR: [Code.NotFound, "file-not-found"],
  EISDIR: [Code.InvalidArgument, "file-unreadable"],
  EACCES: [Code.PermissionDenied, "file-unreadable"],
  EPERM: [Code.PermissionDenied, "file-unreadable"],
  EROFS: [Code.PermissionDenied, "output-not-writable"],
  ENOSPC: [Code.ResourceExhausted, "disk-full"],
  EDQUOT: [Code.ResourceExhausted, "disk-full"],
  EMFILE: [Code.ResourceExhausted, "memory-short"],
  ENOMEM: [Code.ResourceExhausted, "memory-short"],
};

/**
 * Turns whatever was thrown into a `RetakeError`, keeping the cause. Called at edges only: `main`,
 * an RPC handler, a message loop. What is not recognised is a bug and says so.
 *
 * @param subject  what was being done, for the message: "writing out/edit.mp4"
 */
export function fromUnknown(thrown: unknown, subject: string): RetakeError {
  if (thrown instanceof RetakeError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof ShapeError) {
    return new RetakeError(Code.Internal, "bug", `${subject}: ${message}`, { cause: thrown });
  }
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new RetakeError(Code.Canceled, "stopped", `${subject}: stopped`, { cause: thrown });
  }
  const errno = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const known = byErrno[errno];
  if (known !== undefined) {
    return new RetakeError(known[0], known[1], `${subject}: ${message}`, { cause: thrown });
  }
  return new RetakeError(Code.Internal, "bug", `${subject}: ${message}`, { cause: thrown });
}
