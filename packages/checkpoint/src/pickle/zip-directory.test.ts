import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withOpenFile } from "../files/read-range.js";
import { mutated, mutations } from "../testing/mutations.js";
import { zipOf } from "../testing/pickle-assembly.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { readZipDirectory } from "./zip-directory.js";

const entries = new Map([
  ["x/data.pkl", Buffer.from("pickle")],
  ["x/data/0", Buffer.from("0123")],
]);

async function directoryOf(bytes: Uint8Array) {
  const path = join(await temporaryFolder(), "x.bin");
  await writeFile(path, bytes);
  return withOpenFile(path, readZipDirectory);
}

/** The same archive as a file larger than 4 GB would have it: sizes in zip64 records. */
function asZip64(zip: Buffer): Buffer {
  const end = zip.subarray(-22);
  const directoryOffset = end.readUInt32LE(16);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(end.readUInt16LE(10)), 32);
  record.writeBigUInt64LE(BigInt(end.readUInt32LE(12)), 40);
  record.writeBigUInt64LE(BigInt(directoryOffset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(zip.byteLength - 22), 8);
  const wideEnd = Buffer.from(end);
  wideEnd.writeUInt32LE(0xffffffff, 16);
  return Buffer.concat([zip.subarray(0, -22), record, locator, wideEnd]);
}

describe("readZipDirectory", () => {
  it("finds where each entry's content lies", async () => {
    const zip = zipOf(entries);
    const found = await directoryOf(zip);
    expect([...found.keys()]).toEqual([...entries.keys()]);
    for (const [name, content] of entries) {
      const { offset = 0, byteLength = 0 } = found.get(name) ?? {};
      expect(zip.subarray(offset, offset + byteLength)).toEqual(content);
    }
  });

  it("reads past a comment, and zip64 records", async () => {
    const plain = await directoryOf(zipOf(entries));
    expect(await directoryOf(zipOf(entries, { comment: "made by hand" }))).toEqual(plain);
    expect(await directoryOf(asZip64(zipOf(entries)))).toEqual(plain);
  });

  it("refuses compressed entries, two of one name, and what is no archive", async () => {
    const compressed = zipOf(entries, { method: 8 });
    expect((await failureOf(() => directoryOf(compressed))).message).toContain("compressed");
    const long = zipOf(new Map([["a", Buffer.from("1")]]));
    for (const at of [20, 24]) long.writeUInt32LE(2, long.length - 22 - 47 + at);
    expect((await failureOf(() => directoryOf(long))).message).toContain("before the directory");
    const twice = zipOf(
      new Map([
        ["aa", Buffer.from("1")],
        ["bb", Buffer.from("2")],
      ]),
    );
    twice.set(Buffer.from("aa"), twice.lastIndexOf("bb"));
    expect((await failureOf(() => directoryOf(twice))).message).toContain("two entries aa");
    expect((await failureOf(() => directoryOf(Buffer.alloc(100)))).reason).toBe("file-malformed");
    expect((await failureOf(() => directoryOf(Buffer.alloc(0)))).reason).toBe("file-malformed");
  });

  it("ends in a value or a RetakeError for 500 archives changed in places", async () => {
    const zip = asZip64(zipOf(entries));
    const path = join(await temporaryFolder(), "x.bin");
    const tokens = ["PK\u0001\u0002", "PK\u0005\u0006", "\u0000\u0000\u0000\u0000", "x/"];
    const property = fc.asyncProperty(mutations(tokens), async (changes) => {
      const bytes = mutated(zip, changes);
      await writeFile(path, bytes);
      try {
        const found = await withOpenFile(path, readZipDirectory);
        for (const { offset, byteLength } of found.values()) {
          expect(offset + byteLength).toBeLessThanOrEqual(bytes.byteLength);
        }
      } catch (thrown) {
        if (!(thrown instanceof RetakeError)) throw thrown;
        expect(thrown.reason).not.toBe("bug");
      }
    });
    await fc.assert(property, { numRuns: 500 });
  });
});
