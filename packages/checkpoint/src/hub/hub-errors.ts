import { Code, fromUnknown, RetakeError } from "@retake/errors";

/** Which model of which hub, for the message. */
export interface HubPlace {
  readonly name: string;
  readonly hubUrl: string;
}

/** What a status of the hub means to the caller; undefined if trying again may help. */
export function statusError(status: number, { name, hubUrl }: HubPlace): RetakeError | undefined {
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
export function downloadFailed(
  failure: { readonly name: string; readonly why: string },
  cause?: unknown,
): RetakeError {
  const message = `${failure.name}: download failed: ${failure.why}; what came is kept, try again`;
  return new RetakeError(Code.Unavailable, "download-failed", message, { cause });
}

/** Maps what the hub's library and `fetch` throw. */
export function hubError(thrown: unknown, place: HubPlace): RetakeError {
  const { name } = place;
  if (thrown instanceof RetakeError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError") return fromUnknown(thrown, name);
  const status = thrown instanceof Error && "statusCode" in thrown ? thrown.statusCode : undefined;
  if (typeof status === "number") {
    const why = `status ${status}`;
    return statusError(status, place) ?? downloadFailed({ name, why }, thrown);
  }
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  return downloadFailed({ name, why }, thrown);
}
