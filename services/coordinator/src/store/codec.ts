import { Code, RetakeError } from "@retake/errors";

/** Value to bytes and back; `decode` refuses what it does not know by throwing. */
export interface Codec<Value> {
  encode(value: Value): Uint8Array;
  decode(bytes: Uint8Array): Value;
}

/**
 * Values kept as JSON.
 *
 * @param decode  narrows what was parsed, and throws if it is something else
 */
export function jsonCodec<Value>(decode: (json: unknown) => Value): Codec<Value> {
  return {
    encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => decode(parse(bytes)),
  };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const problem = `expected JSON, got ${bytes.length} bytes of something else`;
    throw malformed("stored record", { problem, cause });
  }
}

/** What a store holds and cannot read: written by something else, or damaged. */
export function malformed(
  subject: string,
  { problem, cause }: { readonly problem: string; readonly cause?: unknown },
): RetakeError {
  const message = `${subject}: ${problem}; restore it from a backup, or remove it`;
  return new RetakeError(Code.DataLoss, "record-malformed", message, { cause });
}
