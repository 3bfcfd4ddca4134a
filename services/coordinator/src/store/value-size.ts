import { Code, RetakeError } from "@retake/errors";
import { valueBytesMax } from "./limits.js";

/** Refuses a value that would not fit into one message with its headers. */
export function assertValueSize(subject: string, bytes: Uint8Array): void {
  if (bytes.length <= valueBytesMax) return;
  const message =
    `${subject}: expected up to ${valueBytesMax} bytes, got ${bytes.length}; ` +
    "keep large data as an artifact";
  throw new RetakeError(Code.ResourceExhausted, "record-too-large", message);
}
