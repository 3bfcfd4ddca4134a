import { malformed } from "../files/file-errors.js";
import { type ByteRange, type OpenFile, readInto } from "../files/read-range.js";

/** `torch.save` writes one entry a tensor; a U-Net has about 700. */
const entriesMax = 100_000;
const directoryBytesMax = 32 * 1024 * 1024;

const endBytes = 22;
const endLocator64Bytes = 20;
const end64Bytes = 56;
const localBytes = 30;
const centralBytes = 46;
const commentBytesMax = 65_535;

const signature = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  endLocator64: 0x07064b50,
} as const;

/**
 * The entries of a zip archive: name to the range of the file that holds its content. Only what
 * `torch.save` writes is understood: stored entries, not compressed, not encrypted; zip64 for large
 * files.
 *
 * @throws RetakeError  `file-malformed`, `file-truncated`
 */
export async function readZipDirectory(file: OpenFile): Promise<ReadonlyMap<string, ByteRange>> {
  const { offset, byteLength, count } = await findDirectory(file);
  if (byteLength > directoryBytesMax || count > entriesMax || offset + byteLength > file.size) {
    throw malformed(`${file.path}: expected a zip directory inside the file, got ${count} entries`);
  }
  const directory = await view(file, offset, byteLength);
  const entries = new Map<string, ByteRange>();
  let at = 0;
  for (let index = 0; index < count; index++) {
    const entry = centralEntry(file, directory, at);
    at = entry.end;
    if (entries.has(entry.name)) throw malformed(`${file.path}: two entries ${entry.name}`);
    entries.set(entry.name, await contentRange(file, entry, offset));
  }
  return entries;
}

async function view(file: OpenFile, offset: number, byteLength: number): Promise<DataView> {
  const bytes = new Uint8Array(byteLength);
  await readInto(file, bytes, offset);
  return new DataView(bytes.buffer);
}

interface Directory extends ByteRange {
  readonly count: number;
}

/** Looks for the end record from the back: a comment may follow it. */
async function findDirectory(file: OpenFile): Promise<Directory> {
  const length = Math.min(file.size, endBytes + commentBytesMax);
  const tail = await view(file, file.size - length, length);
  for (let at = length - endBytes; at >= 0; at--) {
    const isEnd = tail.getUint32(at, true) === signature.end;
    if (!isEnd || at + endBytes + tail.getUint16(at + 20, true) !== length) continue;
    const found = {
      count: tail.getUint16(at + 10, true),
      byteLength: tail.getUint32(at + 12, true),
      offset: tail.getUint32(at + 16, true),
    };
    const isLarge =
      found.count === 0xffff || found.byteLength === 0xffffffff || found.offset === 0xffffffff;
    return isLarge ? findDirectory64(file, file.size - length + at) : found;
  }
  throw malformed(`${file.path}: expected the end of a zip archive, got none; fetch it again`);
}

async function findDirectory64(file: OpenFile, endOffset: number): Promise<Directory> {
  const refused = malformed(`${file.path}: expected a zip64 directory, got none`);
  if (endOffset < endLocator64Bytes) throw refused;
  const locator = await view(file, endOffset - endLocator64Bytes, endLocator64Bytes);
  const offset = Number(locator.getBigUint64(8, true));
  if (locator.getUint32(0, true) !== signature.endLocator64) throw refused;
  if (offset + end64Bytes > file.size) throw refused;
  const end = await view(file, offset, end64Bytes);
  if (end.getUint32(0, true) !== signature.end64) throw refused;
  return {
    count: Number(end.getBigUint64(32, true)),
    byteLength: Number(end.getBigUint64(40, true)),
    offset: Number(end.getBigUint64(48, true)),
  };
}

interface CentralEntry {
  readonly name: string;
  readonly byteLength: number;
  readonly localOffset: number;
  /** Where the next entry begins in the directory. */
  readonly end: number;
}

function centralEntry(file: OpenFile, directory: DataView, at: number): CentralEntry {
  const left = directory.byteLength - at;
  if (left < centralBytes || directory.getUint32(at, true) !== signature.central) {
    throw malformed(`${file.path}: expected an entry at ${at} of the zip directory, got none`);
  }
  const flags = directory.getUint16(at + 8, true);
  const method = directory.getUint16(at + 10, true);
  const nameBytes = directory.getUint16(at + 28, true);
  const extraBytes = directory.getUint16(at + 30, true);
  const end = at + centralBytes + nameBytes + extraBytes + directory.getUint16(at + 32, true);
  if (end > directory.byteLength) throw malformed(`${file.path}: the zip directory is cut off`);
  const name = new TextDecoder().decode(
    new Uint8Array(directory.buffer, directory.byteOffset + at + centralBytes, nameBytes),
  );
  if (method !== 0 || (flags & 1) !== 0) {
    throw malformed(`${file.path}: ${name}: expected a stored entry, got a compressed one`);
  }
  const extra = new DataView(directory.buffer, at + centralBytes + nameBytes, extraBytes);
  const wide = wideFields(extra);
  const field = (offset: number): number => {
    const value = directory.getUint32(at + offset, true);
    return value === 0xffffffff ? (wide.shift() ?? value) : value;
  };
  const byteLength = field(24);
  if (field(20) !== byteLength) throw malformed(`${file.path}: ${name}: sizes differ`);
  return { name, byteLength, localOffset: field(42), end };
}

/**
 * The 64-bit values of the zip64 extra field: content, stored size, offset; those that are used.
 */
function wideFields(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const size = extra.getUint16(at + 2, true);
    if (extra.getUint16(at, true) === 1) {
      const values: number[] = [];
      const end = Math.min(at + 4 + size, extra.byteLength);
      for (let value = at + 4; value + 8 <= end; value += 8) {
        values.push(Number(extra.getBigUint64(value, true)));
      }
      return values;
    }
    at += 4 + size;
  }
  return [];
}

/** Behind the entry's local header, whose name and padding may be of another length. */
async function contentRange(
  file: OpenFile,
  entry: CentralEntry,
  directoryOffset: number,
): Promise<ByteRange> {
  const refused = malformed(
    `${file.path}: ${entry.name}: expected its content before the directory`,
  );
  if (entry.localOffset + localBytes > directoryOffset) throw refused;
  const local = await view(file, entry.localOffset, localBytes);
  if (local.getUint32(0, true) !== signature.local) throw refused;
  const behind = local.getUint16(26, true) + local.getUint16(28, true);
  const offset = entry.localOffset + localBytes + behind;
  if (offset + entry.byteLength > directoryOffset) throw refused;
  return { offset, byteLength: entry.byteLength };
}
