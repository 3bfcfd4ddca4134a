import { mkdir, realpath, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { safetensorsBytes } from "../testing/safetensors-bytes.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { openSafetensors, readFloat32, weightsOf } from "./read.js";
import { writeSafetensors } from "./write.js";

const halves = '{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}';
const positions = '{"text.position_ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}';

describe("openSafetensors", () => {
  it("gives the real path of a file behind symlinks", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "blobs"));
    await writeFile(join(folder, "blobs", "0a1b"), safetensorsBytes("{}"));
    await symlink(join("blobs", "0a1b"), join(folder, "model.safetensors"));
    const file = await openSafetensors(join(folder, "model.safetensors"));
    expect(file.path).toBe(join(await realpath(folder), "blobs", "0a1b"));
  });

  it("refuses a file whose header claims 10 GB, without reading that far", async () => {
    const path = join(await temporaryFolder(), "x.safetensors");
    const bytes = Buffer.alloc(64);
    bytes.writeBigUInt64LE(10n ** 10n);
    await writeFile(path, bytes);
    await truncate(path, 11 * 10 ** 9); // sparse: takes no space
    expect((await failureOf(() => openSafetensors(path))).reason).toBe("header-too-large");
  });

  it("refuses a truncated file, at any length", async () => {
    const path = join(await temporaryFolder(), "x.safetensors");
    const bytes = safetensorsBytes(halves, Buffer.alloc(4));
    for (const length of [0, 7, 8, 20, bytes.byteLength - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      expect((await failureOf(() => openSafetensors(path))).reason).toBe("file-truncated");
    }
  });

  it("refuses what is not there, and a folder", async () => {
    const folder = await temporaryFolder();
    const absent = await failureOf(() => openSafetensors(join(folder, "x")));
    expect(absent.reason).toBe("file-not-found");
    expect((await failureOf(() => openSafetensors(folder))).reason).toMatch(/^file-/);
  });
});

describe("readFloat32", () => {
  it("reads what was written, and widens halves", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "x.safetensors");
    const data = Float32Array.of(1, -2.5, 3e-40);
    await writeSafetensors(path, new Map([["a", { shape: [3], data }]]));
    const { entries } = await openSafetensors(path);
    const [entry] = entries.values();
    expect(entry && (await readFloat32(entry))).toEqual(data);

    await writeFile(path, safetensorsBytes(halves, Uint8Array.of(0, 0x3c, 0, 0xc0)));
    const half = (await openSafetensors(path)).entries.get("h");
    expect(half && [...(await readFloat32(half))]).toEqual([1, -2]);
  });

  it("refuses integers", async () => {
    const path = join(await temporaryFolder(), "x.safetensors");
    await writeFile(path, safetensorsBytes(positions, Buffer.alloc(8)));
    const [entry] = (await openSafetensors(path)).entries.values();
    expect((await failureOf(() => entry && readFloat32(entry))).reason).toBe("tensor-dtype");
  });
});

describe("weightsOf", () => {
  const range = { file: "/x", offset: 0, byteLength: 8, shape: [1] };

  it("skips token positions of any type, and refuses other integers", async () => {
    const entries = new Map([
      ["a.position_ids", { ...range, dtype: "I64" as const }],
      ["b.position_ids", { ...range, dtype: "F32" as const }],
      ["w", { ...range, dtype: "BF16" as const }],
    ]);
    expect([...weightsOf(entries).keys()]).toEqual(["w"]);
    const surplus = new Map([["ids", { ...range, dtype: "I64" as const }]]);
    const failure = await failureOf(() => weightsOf(surplus));
    expect(failure).toEqual({
      reason: "tensor-dtype",
      message: "/x: ids: expected F32, F16 or BF16, got I64; convert it",
    });
  });
});
