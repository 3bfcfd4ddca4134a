import { malformed } from "../files/file-errors.js";
import { type ByteRange, type OpenFile, readInto, withOpenFile } from "../files/read-range.js";
import { byteLengthOf } from "../safetensors/header.js";
import { readPickle } from "./pickle-machine.js";
import {
  readTorchPickle,
  type TorchStorage,
  type TorchTensor,
  torchWorld,
} from "./torch-pickle.js";
import { readZipDirectory } from "./zip-directory.js";

/** A U-Net's pickle takes 150 kB. */
const pickleBytesMax = 64 * 1024 * 1024;
/** Files from before 2020 begin with this number, pickled. */
const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyVersion = 1001;

export interface TorchFile {
  /** Absolute real path. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  /** Where the values of each storage lie in the file, by the storage's key. */
  readonly storages: ReadonlyMap<string, ByteRange>;
}

/**
 * Opens a file that `torch.save` wrote: the zip archive of today or the older row of pickles. Only
 * tensors in dictionaries are understood; nothing is executed.
 *
 * @throws RetakeError  `pickle-forbidden`, `file-malformed`, `file-truncated`, `file-not-found`
 */
export async function openTorchFile(path: string): Promise<TorchFile> {
  return withOpenFile(path, async (file) => {
    const start = new Uint8Array(Math.min(file.size, 4));
    await readInto(file, start, 0);
    const isZip = start.join() === "80,75,3,4";
    const { tensors, storages } = isZip ? await readArchive(file) : await readLegacy(file);
    for (const { storage } of tensors.values()) assertStored(file, storage, storages);
    return { path: file.path, tensors, storages };
  });
}

type Content = Omit<TorchFile, "path">;

function assertStored(
  file: OpenFile,
  storage: TorchStorage,
  storages: ReadonlyMap<string, ByteRange>,
): void {
  const range = storages.get(storage.key);
  const needed = byteLengthOf(storage.dtype, [storage.count]);
  if (range !== undefined && needed !== undefined && needed <= range.byteLength) return;
  const got = range === undefined ? "none" : `${range.byteLength}`;
  throw malformed(`${file.path}: storage ${storage.key}: expected ${needed} bytes, got ${got}`);
}

async function readArchive(file: OpenFile): Promise<Content> {
  const entries = await readZipDirectory(file);
  const name = [...entries.keys()].find((entry) => /^[^/]+\/data\.pkl$/.test(entry));
  const pickle = entries.get(name ?? "");
  if (name === undefined || pickle === undefined) {
    throw malformed(`${file.path}: expected an archive of torch.save, got no data.pkl`);
  }
  const folder = name.slice(0, -"data.pkl".length);
  const order = entries.get(`${folder}byteorder`);
  if (order !== undefined && (await readSmall(file, order, "byteorder")).toString() !== "little") {
    throw malformed(`${file.path}: expected little-endian values`);
  }
  const bytes = await readSmall(file, pickle, "data.pkl");
  const { tensors } = readTorchPickle(bytes, { label: file.path, start: 0 });
  const storages = new Map<string, ByteRange>();
  for (const [entry, range] of entries) {
    if (entry.startsWith(`${folder}data/`)) storages.set(entry.slice(folder.length + 5), range);
  }
  return { tensors, storages };
}

async function readSmall(file: OpenFile, range: ByteRange, what: string): Promise<Buffer> {
  if (range.byteLength > pickleBytesMax) {
    throw malformed(`${file.path}: ${what}: expected at most ${pickleBytesMax} bytes`);
  }
  const bytes = Buffer.alloc(range.byteLength);
  await readInto(file, bytes, range.offset);
  return bytes;
}

/** Five pickles (number, version, machine, tensors, keys), then each storage with its count. */
async function readLegacy(file: OpenFile): Promise<Content> {
  const label = file.path;
  const byteLength = Math.min(file.size, pickleBytesMax);
  const bytes = await readSmall(file, { offset: 0, byteLength }, "pickle");
  const world = torchWorld(label);
  const magic = readPickle(bytes, { label, start: 0 }, world);
  const version = readPickle(bytes, { label, start: magic.end }, world);
  if (magic.value !== legacyMagic || version.value !== legacyVersion) {
    throw malformed(`${label}: expected a file of torch.save, got another pickle`);
  }
  const machine = readPickle(bytes, { label, start: version.end }, world);
  const { tensors, end } = readTorchPickle(bytes, { label, start: machine.end });
  const keys = readPickle(bytes, { label, start: end }, world);
  const ofKey = new Map([...tensors.values()].map(({ storage }) => [storage.key, storage]));
  const storages = new Map<string, ByteRange>();
  let offset = keys.end;
  for (const key of Array.isArray(keys.value) ? keys.value : []) {
    const storage = ofKey.get(String(key));
    if (storage === undefined) throw malformed(`${label}: expected no storage without a tensor`);
    const range = { offset: offset + 8, byteLength: byteLengthOf(storage.dtype, [storage.count]) };
    await assertCount(file, offset, storage);
    storages.set(storage.key, { ...range, byteLength: range.byteLength ?? 0 });
    offset = range.offset + (range.byteLength ?? 0);
  }
  if (offset > file.size) throw malformed(`${label}: expected ${offset} bytes, got ${file.size}`);
  return { tensors, storages };
}

async function assertCount(file: OpenFile, offset: number, storage: TorchStorage): Promise<void> {
  const bytes = Buffer.alloc(8);
  await readInto(file, bytes, offset);
  if (bytes.readBigInt64LE() === BigInt(storage.count)) return;
  throw malformed(`${file.path}: storage ${storage.key}: expected ${storage.count} values`);
}
