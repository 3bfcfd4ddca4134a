import { copyFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSafetensors, readFloat32, weightsOf } from "../safetensors/read.js";
import { safetensorsBytes } from "../testing/safetensors-bytes.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { asFloat32 } from "./float32.js";

/** One tensor of each type: 1 and -2. */
const header = JSON.stringify({
  full: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
  half: { dtype: "F16", shape: [2, 1], data_offsets: [8, 12] },
  brain: { dtype: "BF16", shape: [1, 2], data_offsets: [12, 16] },
});
const data = Buffer.concat([
  Buffer.from(Float32Array.of(1, -2).buffer),
  Buffer.from(Uint16Array.of(0x3c00, 0xc000).buffer),
  Buffer.from(Uint16Array.of(0x3f80, 0xc000).buffer),
]);

async function mixedWeights(folder: string, name = "x.safetensors") {
  const path = join(folder, name);
  await writeFile(path, safetensorsBytes(header, data));
  return weightsOf((await openSafetensors(path)).entries);
}

describe("asFloat32", () => {
  it("gives the same names, shapes and values, all float32, in one file", async () => {
    const folder = await temporaryFolder();
    const weights = await asFloat32(await mixedWeights(folder), { cacheDir: join(folder, "c") });
    const files = new Set([...weights.values()].map(({ file }) => file));
    expect(files.size).toBe(1);
    for (const [name, shape] of [
      ["full", [2]],
      ["half", [2, 1]],
      ["brain", [1, 2]],
    ] as const) {
      const entry = weights.get(name);
      expect(entry).toMatchObject({ dtype: "F32", shape });
      expect(entry && [...(await readFloat32(entry))]).toEqual([1, -2]);
    }
  });

  it("makes the file once per content, wherever the source lies", async () => {
    const folder = await temporaryFolder();
    const cacheDir = join(folder, "c");
    const weights = await mixedWeights(folder);
    const [one] = (await asFloat32(weights, { cacheDir })).values();
    const before = await stat(one?.file ?? "", { bigint: true });
    await copyFile(join(folder, "x.safetensors"), join(folder, "y.safetensors"));
    const copy = weightsOf((await openSafetensors(join(folder, "y.safetensors"))).entries);
    const [other] = (await asFloat32(copy, { cacheDir })).values();
    expect(other?.file).toBe(one?.file);
    expect((await stat(other?.file ?? "", { bigint: true })).mtimeNs).toBe(before.mtimeNs);
  });

  it("may be asked for by several at once", async () => {
    const folder = await temporaryFolder();
    const cacheDir = join(folder, "c");
    const weights = await mixedWeights(folder);
    const all = await Promise.all([1, 2, 3].map(() => asFloat32(weights, { cacheDir })));
    const files = all.flatMap((made) => [...made.values()].map(({ file }) => file));
    expect(new Set(files).size).toBe(1);
    expect(await readdir(join(cacheDir, "float32"))).toHaveLength(1);
  });

  it("leaves float32 weights where they are", async () => {
    const folder = await temporaryFolder();
    const mixed = await mixedWeights(folder);
    const full = new Map([...mixed].filter(([, { dtype }]) => dtype === "F32"));
    expect(await asFloat32(full, { cacheDir: "/nowhere" })).toBe(full);
  });

  it("leaves nothing behind when it is stopped", async () => {
    const folder = await temporaryFolder();
    const cacheDir = join(folder, "c");
    const options = { cacheDir, signal: AbortSignal.abort() };
    const weights = await mixedWeights(folder);
    expect((await failureOf(() => asFloat32(weights, options))).reason).toBe("stopped");
    expect(await readdir(cacheDir, { recursive: true }).catch(() => [])).toEqual([]);
  });
});
