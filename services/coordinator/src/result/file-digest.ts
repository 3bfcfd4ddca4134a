import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Code, fromUnknown, RetakeError } from "@retake/errors";

export interface FileDigest {
  readonly bytes: number;
  /** SHA-256 of the content, in hexadecimal. */
  readonly sha256: string;
}

/**
 * Reads a file once and names its content.
 *
 * @throws RetakeError  `file-not-found`, `file-unreadable`; `stopped`
 */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash("sha256");
  try {
    if (!(await stat(path)).isFile()) {
      const message = `${path}: expected a file, got something else`;
      throw new RetakeError(Code.InvalidArgument, "file-unreadable", message);
    }
    let bytes = 0;
    for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal })) {
      const part: Uint8Array = chunk;
      hash.update(part);
      bytes += part.byteLength;
    }
    return { bytes, sha256: hash.digest("hex") };
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  }
}

/** SHA-256 of anything that JSON can say; fields in the order in which they are given. */
export function jsonDigest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
