import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A file begins with the digest of all that follows. */
const digestBytes = 32;
const suffix = ".program";

function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/**
 * Compiled programs, or what is known of them, in a folder, one file each. A file that is damaged
 * counts as not there.
 */
export class ProgramCache {
  readonly #folder: string;
  readonly #bytesMax: number;

  /**
   * @param options.bytesMax  of all files together: with one more, those go that were not read for
   *                          longest
   */
  constructor(folder: string, { bytesMax = Number.POSITIVE_INFINITY } = {}) {
    this.#folder = folder;
    this.#bytesMax = bytesMax;
  }

  /** The program's ONNX model, if it is there and whole. */
  async read(key: string): Promise<Uint8Array | undefined> {
    const path = this.#file(key);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) return undefined;
    const model = bytes.subarray(digestBytes);
    if (!digestOf(model).equals(bytes.subarray(0, digestBytes))) return undefined;
    const now = new Date();
    // In a folder that cannot be written nothing is ever removed, either.
    if (Number.isFinite(this.#bytesMax)) await utimes(path, now, now).catch(() => {});
    return model;
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
    if (Number.isFinite(this.#bytesMax)) await this.#removeOldest();
  }

  async #removeOldest(): Promise<void> {
    const names = (await readdir(this.#folder)).filter((name) => name.endsWith(suffix));
    const files = await Promise.all(names.map((name) => statOf(join(this.#folder, name))));
    let bytes = 0;
    for (const { path, size } of files.flat().toSorted((a, b) => b.mtimeMs - a.mtimeMs)) {
      bytes += size;
      if (bytes > this.#bytesMax) await rm(path, { force: true });
    }
  }

  #file(key: string): string {
    return join(this.#folder, `${key}${suffix}`);
  }
}

/** Of a file, unless another process has removed it meanwhile. */
async function statOf(path: string): Promise<{ path: string; size: number; mtimeMs: number }[]> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? [] : [{ path, size: found.size, mtimeMs: found.mtimeMs }];
}
