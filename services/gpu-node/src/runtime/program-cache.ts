import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A file begins with the digest of all that follows. */
const digestBytes = 32;

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/**
 * Compiled programs, or what is known of them, in a folder, one file each. A file that is damaged
 * counts as not there.
 */
export class ProgramCache {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The program's ONNX model, if it is there and whole. */
  async read(key: string): Promise<Uint8Array | undefined> {
    const bytes = await readFile(this.#file(key)).catch(() => undefined);
    if (bytes === undefined) return undefined;
    const model = bytes.subarray(digestBytes);
    return digestOf(model).equals(bytes.subarray(0, digestBytes)) ? model : undefined;
  }

  /** Writes under another name first, so that the name holds a whole file or none. */
  async write(key: string, model: Uint8Array): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const unfinished = `${this.#file(key)}.${randomUUID()}.tmp`;
    try {
      await writeFile(unfinished, Buffer.concat([digestOf(model), model]));
      await rename(unfinished, this.#file(key));
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  #file(key: string): string {
    return join(this.#folder, `${key}.program`);
  }
}
