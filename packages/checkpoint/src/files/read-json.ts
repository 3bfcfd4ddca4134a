import { malformed } from "./file-errors.js";
import { readInto, withOpenFile } from "./read-range.js";

/** Configs take a few kB, an index of shards or a CLIP vocabulary about one MB. */
const jsonBytesMax = 32 * 1024 * 1024;

/**
 * A JSON file's object. Its values are unknown: whoever uses one decodes it.
 *
 * @throws RetakeError  `file-not-found`, `file-unreadable`, `file-malformed`
 */
export async function readJsonObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw malformed(`${path}: expected JSON; fetch it again`, thrown);
  }
  if (isObject(value)) return value;
  throw malformed(`${path}: expected a JSON object`);
}

/** A text file as a whole, in UTF-8, with a limit on its size. */
export async function readText(path: string): Promise<string> {
  return withOpenFile(path, async (file) => {
    if (file.size > jsonBytesMax) {
      throw malformed(`${path}: expected at most ${jsonBytesMax} bytes, got ${file.size}`);
    }
    const bytes = new Uint8Array(file.size);
    await readInto(file, bytes, 0);
    return new TextDecoder().decode(bytes);
  });
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
