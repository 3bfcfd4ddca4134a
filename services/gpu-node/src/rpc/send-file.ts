import { fileChunks } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import type { HostTensors } from "../runtime/engine.js";
import { writeTensors } from "../tasks/tuned-delta.js";
import { withTemporaryFile } from "./temporary-file.js";

/** Sends one chunk, and resolves when there is room for the next. */
export type SendChunk = (chunk: Chunk) => Promise<void>;

/** Writes a file, and sends it in chunks. */
export async function sendFile(
  folder: string,
  write: (path: string) => Promise<void>,
  send: SendChunk,
): Promise<void> {
  await withTemporaryFile(folder, async (path) => {
    await write(path);
    for await (const chunk of fileChunks(path, { offsetBytes: 0 })) await send(chunk);
  });
}

/** Sends tensors as one safetensors file. */
export async function sendTensors(
  folder: string,
  tensors: HostTensors,
  send: SendChunk,
): Promise<void> {
  await sendFile(folder, (path) => writeTensors(path, tensors), send);
}
