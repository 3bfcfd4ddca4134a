import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** A file for as long as some work takes; the work makes it, if it does. */
export async function withTemporaryFile<Value>(
  folder: string,
  work: (path: string) => Promise<Value>,
): Promise<Value> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${randomUUID()}.safetensors`);
  try {
    return await work(path);
  } finally {
    await rm(path, { force: true });
  }
}
