import { Code, fromUnknown, RetakeError } from "@retake/errors";

/** What engines and V8 say when they get no memory: none of them gives it a code. */
const memoryShort =
  /Failed to allocate memory|bad_alloc|out of memory|Array buffer allocation failed/i;

/**
 * What an engine threw. That memory is short is told apart: another machine or a smaller pass may
 * do, where a bug stays one.
 */
export function engineFailure(thrown: unknown, subject: string): RetakeError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (thrown instanceof RetakeError || !memoryShort.test(message)) {
    return fromUnknown(thrown, subject);
  }
  const bytes = /requested buffer of size (\d+)/.exec(message)?.[1];
  const expected = bytes === undefined ? "more memory" : `${bytes} bytes of memory more`;
  const text = `${subject}: expected ${expected}, got none; take fewer or smaller frames`;
  return new RetakeError(Code.ResourceExhausted, "memory-short", text, { cause: thrown });
}
