import { Code, fromUnknown, RetakeError } from "@retake/errors";

/** A file's content breaks the rules of its format; `message` names the file first. */
export function malformed(message: string, cause?: unknown): RetakeError {
  return new RetakeError(Code.InvalidArgument, "file-malformed", message, { cause });
}

/** A file ends before its content does; `message` names the file first. */
export function truncated(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "file-truncated", message);
}

const shownCharactersMax = 80;

/** A value of a file as a message may show it: quoted, and never long. */
export function shown(value: unknown): string {
  if (typeof value !== "string" && typeof value !== "number") return typeof value;
  const text = JSON.stringify(value);
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}...`;
}

const refusedWrites = new Set(["EACCES", "EPERM", "EROFS", "EISDIR", "ENOTDIR", "ENOENT"]);

/** What a failed write means to the caller: a full disk, or a place that cannot be written. */
export function writeError(thrown: unknown, path: string): RetakeError {
  if (thrown instanceof RetakeError) return thrown;
  const errno = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  if (refusedWrites.has(errno)) {
    const message = `${path}: expected a place that can be written, got ${errno}; name another`;
    return new RetakeError(Code.PermissionDenied, "output-not-writable", message, {
      cause: thrown,
    });
  }
  if (errno === "ENOSPC" || errno === "EDQUOT" || errno === "EFBIG") {
    const message = `${path}: the disk is full (${errno}); free some space or name another place`;
    return new RetakeError(Code.ResourceExhausted, "disk-full", message, { cause: thrown });
  }
  return fromUnknown(thrown, `writing ${path}`);
}
