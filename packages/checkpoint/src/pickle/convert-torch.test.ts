import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSafetensors, readFloat32 } from "../safetensors/read.js";
import { assemble, tensorPickle, zipOf } from "../testing/pickle-assembly.js";
import { testData } from "../testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { convertTorchFile } from "./convert-torch.js";

const { pickle, text, dict } = assemble;

/** What `generate.py` put there: element i is i - 2, before any transposition. */
const expected: Readonly<Record<string, readonly [string, readonly number[], readonly number[]]>> =
  {
    f32: ["F32", [2, 3], [-2, -1, 0, 1, 2, 3]],
    f16: ["F16", [2, 3], [-2, -1, 0, 1, 2, 3]],
    bf16: ["BF16", [2, 3], [-2, -1, 0, 1, 2, 3]],
    transposed: ["F32", [3, 2], [-2, 1, -1, 2, 0, 3]],
    tail: ["F32", [6], [2, 3, 4, 5, 6, 7]],
    every_second: ["F32", [5], [-2, 0, 2, 4, 6]],
    scalar: ["F32", [], [7]],
    empty: ["F32", [0, 4], []],
    parameter: ["F32", [3], [-2, -1, 0]],
  };

describe("convertTorchFile", () => {
  it.each(["zip", "legacy", "nested"])("keeps values and types of %s.bin", async (name) => {
    const cacheDir = await temporaryFolder();
    const source = join(testData, "torch", `${name}.bin`);
    const { entries } = await openSafetensors(await convertTorchFile(source, { cacheDir }));
    expect(entries.size).toBe(10);
    for (const [tensor, [dtype, shape, values]] of Object.entries(expected)) {
      const entry = entries.get(tensor);
      expect(entry).toMatchObject({ dtype, shape });
      expect(entry && [...(await readFloat32(entry))]).toEqual(values);
    }
    const permuted = entries.get("transposed_f16");
    expect(permuted?.shape).toEqual([4, 2, 3]);
    const [first, second] = permuted ? await readFloat32(permuted) : [];
    expect([first, second]).toEqual([-2, 2]);
  });

  it("converts once", async () => {
    const cacheDir = await temporaryFolder();
    const source = join(testData, "torch", "zip.bin");
    const one = await convertTorchFile(source, { cacheDir });
    const before = await stat(one, { bigint: true });
    expect(await convertTorchFile(source, { cacheDir })).toBe(one);
    expect((await stat(one, { bigint: true })).mtimeNs).toBe(before.mtimeNs);
  });

  it("refuses integers that are no token positions", async () => {
    const cacheDir = await temporaryFolder();
    const source = join(testData, "torch", "integers.bin");
    const failure = await failureOf(() => convertTorchFile(source, { cacheDir }));
    expect(failure.reason).toBe("tensor-dtype");
    expect(failure.message).toContain("weights: expected F32, F16 or BF16, got I64");
  });

  it("refuses a small file whose tensors would fill the disk", async () => {
    const folder = await temporaryFolder();
    const tensor = tensorPickle({ count: 1000, shape: [1000], strides: [1] });
    const names = Array.from({ length: 100 }, (_, index) => text(`t${index}`));
    const data = pickle(dict(...names.flatMap((name) => [name, tensor])));
    const source = join(folder, "x.bin");
    const zip = zipOf(
      new Map([
        ["x/data.pkl", data],
        ["x/data/0", Buffer.alloc(4000)],
      ]),
    );
    await writeFile(source, zip);
    const failure = await failureOf(() => convertTorchFile(source, { cacheDir: folder }));
    expect(failure.reason).toBe("file-malformed");
    expect(failure.message).toContain("of tensors, got 400000");
    expect(await readdir(folder)).not.toContain("converted");
  });
});
