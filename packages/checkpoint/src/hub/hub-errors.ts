import { Code, fromUnknown, RetakeError } from "@retake/errors";

/** What a status of the hub means to the caller; undefined if trying again may help. */
export function statusError(status: number, name: string, hubUrl: string): RetakeError | undefined {
  if (status === 401 || status === 403) {
    const code = status === 401 ? Code.Unauthenticated : Code.PermissionDenied;
    const message = `${name}: expected leave to read it, got status ${status}: no such model, or a \
gated one; accept its licence at ${hubUrl}/${name} and give a token of an account that may read it`;
    return new RetakeError(code, "hub-unauthorized", message);
  }
  if (status === 404) {
    const message = `${name}: expected a model and revision on ${hubUrl}, got none; check the \
name (a folder of that name is not here either)`;
    return new RetakeError(Code.NotFound, "file-not-found", message);
  }
  if (status === 429 || status >= 500) return undefined;
  const message = `${name}: expected status 200 from ${hubUrl}, got ${status}`;
  return new RetakeError(Code.InvalidArgument, "download-failed", message);
}

/** The network or the hub is at fault: the same call may succeed later. */
export function downloadFailed(name: string, why: string, cause?: unknown): RetakeError {
  const message = `${name}: download failed: ${why}; what came is kept, try again`;
  return new RetakeError(Code.Unavailable, "download-failed", message, { cause });
}

/** Maps what the hub's library and `fetch` throw. */
export function hubError(thrown: unknown, name: string, hubUrl: string): RetakeError {
  if (thrown instanceof RetakeError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError") return fromUnknown(thrown, name);
  const status = thrown instanceof Error && "statusCode" in thrown ? thrown.statusCode : undefined;
  if (typeof status === "number") {
    return statusError(status, name, hubUrl) ?? downloadFailed(name, `status ${status}`, thrown);
  }
  return downloadFailed(name, thrown instanceof Error ? thrown.message : String(thrown), thrown);
}
