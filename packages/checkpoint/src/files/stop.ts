import { Code, RetakeError } from "@retake/errors";

/** Ends long work between two pieces of it once the caller no longer wants it. */
export function throwIfStopped(signal: AbortSignal | undefined, subject: string): void {
  if (signal?.aborted !== true) return;
  const options = { cause: signal.reason };
  throw new RetakeError(Code.Canceled, "stopped", `${subject}: stopped`, options);
}
