import { eventLineBytesMax } from "./limits.js";

/** A line about an edit, for people: bounded, the oldest go first. */
export interface EventLog {
  /** A line that is too long is cut: telling about an edit must not end it. */
  append(editId: string, event: { readonly line: string }): Promise<void>;
  /** The last lines, oldest first. */
  read(editId: string, options?: { readonly limit?: number }): Promise<readonly string[]>;
  purge(editId: string): Promise<void>;
}

/** The line's bytes, cut between two characters. */
export function encodeLine(line: string): Uint8Array {
  const bytes = new TextEncoder().encode(line);
  if (bytes.length <= eventLineBytesMax) return bytes;
  let end = eventLineBytesMax;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
