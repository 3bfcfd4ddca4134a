import { access, open } from "node:fs/promises";
import { openSafetensors, writeSafetensors } from "@retake/checkpoint";

export type Values = Uint8Array | Float32Array | Int32Array;

const dtypeOf = (values: Values): "U8" | "F32" | "I32" =>
  values instanceof Uint8Array ? "U8" : values instanceof Int32Array ? "I32" : "F32";

const bytesOf = ({ buffer, byteOffset, byteLength }: Values): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** A file that keeps what takes minutes to make; `hash` names what it was made from. */
export interface ArrayFile {
  readonly path: string;
  readonly hash: string;
}

/** Keeps arrays by name; the file's name appears only when it is whole. */
export async function writeArrays(
  { path, hash }: ArrayFile,
  arrays: ReadonlyMap<string, Values>,
): Promise<void> {
  const tensors = [...arrays].map(([name, values]) => {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield bytesOf(values);
    }
    return [name, { dtype: dtypeOf(values), shape: [values.length], chunks }] as const;
  });
  await writeSafetensors(path, new Map(tensors), new Map([["hash", hash]]));
}

/**
 * Reads kept arrays into space of their size.
 *
 * @returns  whether they were there, made from the same
 * @throws Error  if an array is missing or of another size
 */
export async function readArrays(
  { path, hash }: ArrayFile,
  into: ReadonlyMap<string, Values>,
): Promise<boolean> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return false;
  const { entries, metadata } = await openSafetensors(path);
  if (metadata.get("hash") !== hash) return false;
  const file = await open(path, "r");
  try {
    for (const [name, values] of into) {
      const entry = entries.get(name);
      if (entry?.byteLength !== values.byteLength) {
        throw new Error(`${path}: expected ${values.byteLength} bytes of ${name}; remove it`);
      }
      const bytes = bytesOf(values);
      for (let done = 0; done < bytes.byteLength; ) {
        const left = bytes.byteLength - done;
        const { bytesRead } = await file.read(bytes, done, left, entry.offset + done);
        if (bytesRead === 0) throw new Error(`${path}: expected more bytes of ${name}; remove it`);
        done += bytesRead;
      }
    }
  } finally {
    await file.close();
  }
  return true;
}
