import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { chunkBytes, fileChunks, readInto, withOpenFile } from "./read-range.js";

describe("fileChunks", () => {
  it("gives a range in pieces of at most chunkBytes", async () => {
    const file = join(await temporaryFolder(), "x");
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));
    const content = Buffer.concat([Buffer.alloc(chunkBytes), bytes]);
    await writeFile(file, content);
    const pieces: Buffer[] = [];
    const range = { file, offset: 5, byteLength: content.byteLength - 6 };
    for await (const chunk of fileChunks(range)) pieces.push(Buffer.from(chunk));
    expect(pieces.map((piece) => piece.byteLength)).toEqual([chunkBytes, 994]);
    expect(Buffer.concat(pieces).equals(content.subarray(5, -1))).toBe(true);
  });

  it("says that the file is truncated when the range reaches beyond it", async () => {
    const file = join(await temporaryFolder(), "x");
    await writeFile(file, "abc");
    const failed = await failureOf(async () => {
      for await (const _ of fileChunks({ file, offset: 1, byteLength: 3 }));
    });
    expect(failed.reason).toBe("file-truncated");
    expect(failed.message).toContain("expected 4 bytes, got 3");
  });
});

describe("withOpenFile", () => {
  it("closes the file when its user fails", async () => {
    const path = join(await temporaryFolder(), "x");
    await writeFile(path, "abc");
    const handles: { readonly fd: number }[] = [];
    const failed = await failureOf(() =>
      withOpenFile(path, async (file) => {
        handles.push(file.handle);
        await readInto(file, new Uint8Array(4), 0);
      }),
    );
    expect(failed.reason).toBe("file-truncated");
    expect(handles.map(({ fd }) => fd)).toEqual([-1]);
  });
});
