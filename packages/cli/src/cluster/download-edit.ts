import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { writePoster } from "@retake/coordinator";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { assertDigest, readStream } from "@retake/wire";
import type { DownloadRequest, DownloadResponse, Edit, ResultFile } from "@retake/wire/edit";
import { createResultFolder } from "../pipeline/result-folder.js";
import type { ClusterClient } from "./cluster-client.js";
import { isEnded, stateText } from "./edit-json.js";

const sideMax = 16_384;

/** Where a download goes. */
interface Target {
  readonly folder: string;
  readonly signal: AbortSignal;
}
type FramesTarget = Target & { readonly onFrame: (path: string) => void };

/**
 * Fetches all files of a result; the folder appears when they are whole.
 *
 * @returns  absolute paths, by name
 * @throws RetakeError  `edit-state` for an edit without a result
 */
export async function downloadResult(
  client: ClusterClient,
  edit: Edit,
  { out, signal }: { readonly out: string; readonly signal: AbortSignal },
): Promise<Readonly<Record<string, string>>> {
  if (edit.files.length === 0) {
    const advice = isEnded(edit) ? "it has no result" : `wait for it: retake watch ${edit.id}`;
    const got = `${stateText(edit)}; ${advice}`;
    const message = `edit ${edit.id}: expected one that succeeded, got ${got}`;
    throw new RetakeError(Code.FailedPrecondition, "edit-state", message);
  }
  return inFolder(out, async (folder) => {
    for (const file of edit.files) {
      await downloadFile(client, { ...file, editId: edit.id }, { folder, signal });
    }
  });
}

/** Fetches the frames of a prompt, as `downloadResult` does the files. */
export async function downloadFramesTo(
  client: ClusterClient,
  wanted: { readonly edit: Edit; readonly promptIndex: number },
  { out, ...target }: Omit<FramesTarget, "folder"> & { readonly out: string },
): Promise<Readonly<Record<string, string>>> {
  return inFolder(out, async (folder) => {
    await downloadFrames(client, wanted, { ...target, folder });
  });
}

async function inFolder(
  out: string,
  fill: (folder: string) => Promise<void>,
): Promise<Readonly<Record<string, string>>> {
  const folder = await createResultFolder(out);
  try {
    await fill(folder.workPath);
    await folder.commit();
    return await folder.files();
  } finally {
    await folder.discard();
  }
}

/** Fetches a file of a result, and checks it: a broken call goes on where it ended. */
async function downloadFile(
  client: ClusterClient,
  file: ResultFile & { readonly editId: string },
  { folder }: Target,
): Promise<string> {
  const { name, artifactId, editId } = file;
  if (basename(name) !== name || name === "" || name.startsWith(".")) throw badName(name);
  const path = join(folder, name);
  const hash = createHash("sha256");
  const handle = await open(path, "w").catch((thrown: unknown) => {
    throw fromUnknown(thrown, `writing ${path}`);
  });
  let receivedBytes = 0;
  try {
    await client.patiently(async () => {
      const what = { $case: "fileName", value: name } as const;
      for await (const part of parts(client, { id: editId, what, offset: receivedBytes })) {
        assertOffset(part, receivedBytes, name);
        hash.update(part.data);
        await handle.writeFile(part.data);
        receivedBytes += part.data.length;
      }
    });
  } catch (thrown) {
    throw fromUnknown(thrown, `downloading ${name}`);
  } finally {
    await handle.close();
  }
  assertDigest(hash.digest("hex"), { subject: name, sha256: artifactId });
  return path;
}

/** Fetches the frames of a prompt, as pictures, in order and as soon as they are there. */
async function downloadFrames(
  client: ClusterClient,
  { edit, promptIndex }: { readonly edit: Edit; readonly promptIndex: number },
  { folder, signal, onFrame }: FramesTarget,
): Promise<readonly string[]> {
  const paths: string[] = [];
  await client.patiently(async () => {
    const what = { $case: "promptIndex", value: promptIndex } as const;
    for await (const part of parts(client, { id: edit.id, what, offset: paths.length })) {
      assertOffset(part, paths.length, `frames of prompt ${promptIndex}`);
      const path = join(folder, `frame-${String(part.offset).padStart(4, "0")}.png`);
      await writePoster(clipOf(part), { path, frame: 0, signal });
      paths.push(path);
      onFrame(path);
    }
  });
  return paths;
}

async function* parts(
  { edits, call }: ClusterClient,
  request: DownloadRequest,
): AsyncGenerator<DownloadResponse> {
  const settings = call(`downloading from edit ${request.id}`);
  for await (const part of readStream(edits.download.bind(edits), request, settings)) {
    const digest = createHash("sha256").update(part.data).digest("hex");
    const sha256 = Buffer.from(part.dataSha256).toString("hex");
    assertDigest(digest, { subject: `download at ${part.offset}`, sha256 });
    yield part;
  }
}

function assertOffset({ offset }: DownloadResponse, expected: number, subject: string): void {
  if (offset === expected) return;
  const message = `${subject}: expected what comes at ${expected}, got ${offset}; fetch it again`;
  throw new RetakeError(Code.DataLoss, "file-truncated", message);
}

function clipOf({ width, height, data }: DownloadResponse) {
  const isSize = [width, height].every((side) => side >= 1 && side <= sideMax);
  if (isSize && data.length === width * height * 3) {
    return { pixels: data, frames: 1, height, width };
  }
  const message = `frame: expected ${width}x${height} pixels, got ${data.length} bytes`;
  throw new RetakeError(Code.InvalidArgument, "bad-message", message);
}

function badName(name: string): RetakeError {
  const shown = JSON.stringify(name.slice(0, 80));
  const message = `result file: expected a plain name, got ${shown}; ask whoever runs the cluster`;
  return new RetakeError(Code.InvalidArgument, "bad-message", message);
}
