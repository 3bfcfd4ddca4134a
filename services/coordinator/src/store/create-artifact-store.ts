import { createHash, type Hash, randomUUID } from "node:crypto";
import { Code, RetakeError } from "@retake/errors";
import type { Artifact, ArtifactStore, UploadRequest, UploadState } from "./artifact-store.js";
import type { BlobBackend, Part } from "./blob-backend.js";
import { artifactBytesMax, artifactStoreBytesMax, putAbandonedMs } from "./limits.js";
import { assertArtifactId } from "./store-id.js";

export interface ArtifactLimits {
  /** Of one artifact. */
  readonly artifactBytesMax?: number;
  /** Of all together, unfinished uploads included. */
  readonly storeBytesMax?: number;
  /** What files' times are compared with. Default the system's. */
  readonly nowUnixMs?: () => number;
}

const putPrefix = "put-";
const uploadPrefix = "upload-";

interface Open {
  readonly backend: BlobBackend;
  readonly artifactMax: number;
  readonly storeMax: number;
  usedBytes: number;
  /** Uploads that a caller is writing now. */
  readonly busy: Set<string>;
  /** The last of the changes to what is visible: they happen one after another. */
  turn: Promise<unknown>;
}

/** Artifacts over a place for bytes: ids, digests, bounds, uploads that go on. */
export async function createArtifactStore(
  backend: BlobBackend,
  limits: ArtifactLimits = {},
): Promise<ArtifactStore> {
  const open: Open = {
    backend,
    artifactMax: limits.artifactBytesMax ?? artifactBytesMax,
    storeMax: limits.storeBytesMax ?? artifactStoreBytesMax,
    usedBytes: 0,
    busy: new Set(),
    turn: Promise.resolve(),
  };
  // What a put of a process that is gone has left can never be named. One that was written a
  // moment ago may be of the coordinator that leads, while this one stands by.
  const { nowUnixMs = Date.now } = limits;
  for (const { name, changedUnixMs } of await backend.parts()) {
    const isLeft = changedUnixMs <= nowUnixMs() - putAbandonedMs;
    if (name.startsWith(putPrefix) && isLeft) await backend.dropPart(name);
  }
  const kept = [...(await backend.parts()), ...(await backend.list())];
  open.usedBytes = kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

  return {
    put: (source, options = {}) => put(open, source, options),
    upload: (request, source) => upload(open, request, source),
    received: (request) => received(open, request),
    read: (id, { offsetBytes = 0 } = {}) => read(open, id, offsetBytes),
    stat: async (id) => {
      assertArtifactId(id);
      return backend.stat(id);
    },
    touch: (id) => inTurn(open, () => touch(open, id)),
    remove: (id, options = {}) => inTurn(open, () => remove(open, id, options)),
    list: () => backend.list(),
    dropUploads: async ({ receivedByUnixMs }) => {
      const stale = (await backend.parts()).filter(
        ({ name, changedUnixMs }) =>
          (name.startsWith(uploadPrefix) || name.startsWith(putPrefix)) &&
          changedUnixMs <= receivedByUnixMs &&
          !open.busy.has(name),
      );
      for (const { name } of stale) await dropPart(open, name);
      return stale.length;
    },
  };
}

async function put(
  open: Open,
  source: AsyncIterable<Uint8Array>,
  { expectedId }: { readonly expectedId?: string },
): Promise<Artifact> {
  if (expectedId !== undefined) assertArtifactId(expectedId);
  const name = `${putPrefix}${randomUUID()}`;
  const hash = createHash("sha256");
  try {
    const sizeBytes = await append(open, name, { source, hash, sizeMax: open.artifactMax });
    const id = hash.digest("hex");
    if (expectedId !== undefined && id !== expectedId) throw mismatch(expectedId, id);
    await inTurn(open, () => publish(open, name, { id, sizeBytes }));
    return { id, sizeBytes };
  } finally {
    await dropPart(open, name);
  }
}

async function upload(
  open: Open,
  request: UploadRequest,
  source: AsyncIterable<Uint8Array>,
): Promise<UploadState> {
  const { id, sizeBytes, offsetBytes } = request;
  const name = partName(request);
  const done = { receivedBytes: sizeBytes, complete: true };
  // Claimed before the first wait: of two calls at once, the first one has it.
  if (open.busy.has(name)) throw uploadBusy(id);
  open.busy.add(name);
  try {
    if ((await open.backend.stat(id)) !== undefined) return done;
    if (sizeBytes > open.artifactMax) throw tooLarge(open.artifactMax, sizeBytes);
    const { receivedBytes } = await received(open, request);
    if (receivedBytes !== offsetBytes) throw wrongOffset(id, { receivedBytes, offsetBytes });
    assertRoom(open, sizeBytes - receivedBytes);
    const hash = createHash("sha256");
    const nowBytes = await append(open, name, { source, hash, sizeMax: sizeBytes });
    if (nowBytes < sizeBytes) return { receivedBytes: nowBytes, complete: false };
    const actualId = hash.digest("hex");
    if (actualId !== id) {
      await dropPart(open, name);
      throw mismatch(id, actualId);
    }
    await inTurn(open, () => publish(open, name, { id, sizeBytes }));
    return done;
  } finally {
    open.busy.delete(name);
  }
}

async function received(
  { backend }: Open,
  upload: Pick<UploadRequest, "id" | "uploader">,
): Promise<UploadState> {
  const name = partName(upload);
  const whole = await backend.stat(upload.id);
  if (whole !== undefined) return { receivedBytes: whole.sizeBytes, complete: true };
  const part = await backend.partInfo(name);
  return { receivedBytes: part?.sizeBytes ?? 0, complete: false };
}

/** The uploader is hashed: a name may hold what a file name may not. */
function partName({ id, uploader }: Pick<UploadRequest, "id" | "uploader">): string {
  assertArtifactId(id);
  const digest = createHash("sha256").update(uploader).digest("hex");
  return `${uploadPrefix}${digest.slice(0, 16)}-${id}`;
}

interface AppendOptions {
  readonly source: AsyncIterable<Uint8Array>;
  readonly hash: Hash;
  readonly sizeMax: number;
}

/** Writes all of the source after what is there, and hashes both; gives the size. */
async function append(
  open: Open,
  name: string,
  { source, hash, sizeMax }: AppendOptions,
): Promise<number> {
  const part = await open.backend.openPart(name);
  try {
    if (part.sizeBytes > 0) for await (const bytes of part.read()) hash.update(bytes);
    for await (const bytes of source) await appendBytes(open, part, { bytes, hash, sizeMax });
    return part.sizeBytes;
  } finally {
    await part.close();
  }
}

async function appendBytes(
  open: Open,
  part: Part,
  { bytes, hash, sizeMax }: { readonly bytes: Uint8Array; hash: Hash; readonly sizeMax: number },
): Promise<void> {
  const sizeBytes = part.sizeBytes + bytes.length;
  if (sizeBytes > sizeMax) throw tooLarge(sizeMax, sizeBytes);
  assertRoom(open, bytes.length);
  open.usedBytes += bytes.length;
  const before = part.sizeBytes;
  try {
    await part.append(bytes);
    hash.update(bytes);
  } catch (thrown) {
    open.usedBytes -= bytes.length - (part.sizeBytes - before);
    throw thrown;
  }
}

async function publish(open: Open, name: string, { id, sizeBytes }: Artifact): Promise<void> {
  if (await touch(open, id)) {
    await dropPart(open, name);
    return;
  }
  await open.backend.publish(name, { id });
  // What the disk says counts: the part and the artifact are the same bytes.
  if ((await open.backend.stat(id))?.sizeBytes === sizeBytes) return;
  throw new RetakeError(Code.DataLoss, "file-truncated", `artifact ${id}: lost after its rename`);
}

async function dropPart(open: Open, name: string): Promise<void> {
  const part = await open.backend.partInfo(name);
  if (part === undefined) return;
  await open.backend.dropPart(name);
  open.usedBytes -= part.sizeBytes;
}

async function* read({ backend }: Open, id: string, offsetBytes: number) {
  assertArtifactId(id);
  const found = await backend.stat(id);
  if (found === undefined) {
    const message = `artifact ${id}: expected to find it, got nothing; it may have expired`;
    throw new RetakeError(Code.NotFound, "artifact-missing", message);
  }
  if (offsetBytes > found.sizeBytes) {
    const message =
      `artifact ${id}: expected an offset up to ${found.sizeBytes}, ` +
      `got ${offsetBytes}; begin at 0`;
    throw new RetakeError(Code.InvalidArgument, "upload-offset", message);
  }
  if (offsetBytes < found.sizeBytes) yield* backend.read(id, offsetBytes);
}

async function touch({ backend }: Open, id: string): Promise<boolean> {
  assertArtifactId(id);
  if ((await backend.stat(id)) === undefined) return false;
  await backend.touch(id);
  return true;
}

async function remove(
  open: Open,
  id: string,
  { storedByUnixMs = Number.POSITIVE_INFINITY }: { readonly storedByUnixMs?: number },
): Promise<boolean> {
  assertArtifactId(id);
  const found = await open.backend.stat(id);
  if (found === undefined) return true;
  if (found.storedUnixMs > storedByUnixMs) return false;
  await open.backend.remove(id);
  open.usedBytes -= found.sizeBytes;
  return true;
}

/** One after another, so that what is touched is not removed by who looked before. */
function inTurn<Result>(open: Open, act: () => Promise<Result>): Promise<Result> {
  const turn = open.turn.then(act);
  open.turn = turn.catch(() => undefined);
  return turn;
}

function assertRoom({ usedBytes, storeMax }: Open, moreBytes: number): void {
  if (usedBytes + moreBytes <= storeMax) return;
  const message =
    `artifacts: expected room for ${moreBytes} bytes, got ${storeMax - usedBytes} ` +
    `of ${storeMax}; free some (retake gc)`;
  throw new RetakeError(Code.ResourceExhausted, "disk-full", message);
}

function tooLarge(sizeMax: number, sizeBytes: number): RetakeError {
  const message = `artifact: expected up to ${sizeMax} bytes, got ${sizeBytes}; send less`;
  return new RetakeError(Code.ResourceExhausted, "artifact-too-large", message);
}

function mismatch(expectedId: string, actualId: string): RetakeError {
  const message = `artifact ${expectedId}: its bytes have the SHA-256 ${actualId}; send it again`;
  return new RetakeError(Code.DataLoss, "checksum-mismatch", message);
}

function uploadBusy(id: string): RetakeError {
  const message = `upload of ${id}: another call is sending it; wait until that ends`;
  return new RetakeError(Code.FailedPrecondition, "upload-busy", message);
}

function wrongOffset(
  id: string,
  { receivedBytes, offsetBytes }: { readonly receivedBytes: number; readonly offsetBytes: number },
): RetakeError {
  const message =
    `upload of ${id}: expected to go on at byte ${receivedBytes}, got ${offsetBytes}; ` +
    "ask how much was received";
  return new RetakeError(Code.FailedPrecondition, "upload-offset", message);
}
