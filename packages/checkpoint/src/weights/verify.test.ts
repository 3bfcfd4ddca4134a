import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { chunkBytes } from "../files/read-range.js";
import { openSafetensors, weightsOf } from "../safetensors/read.js";
import { writeSafetensors } from "../safetensors/write.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { byFile, verifyFinite, verifyTensors } from "./verify.js";

const shapes = (entries: Readonly<Record<string, readonly number[]>>) =>
  new Map(Object.entries(entries));
const weights = (entries: Readonly<Record<string, readonly number[]>>) =>
  new Map(Object.entries(entries).map(([name, shape]) => [name, { shape }]));
const subject = "unet of x";

describe("verifyTensors", () => {
  it("accepts the very tensors that are expected, in any order", () => {
    const expected = shapes({ a: [1, 2], b: [] });
    expect(verifyTensors(weights({ b: [], a: [1, 2] }), expected, { subject })).toBeUndefined();
  });

  it("names missing tensors, the first three of many, and surplus ones beside", async () => {
    const expected = shapes({ a: [1], b: [1], c: [1], d: [1], e: [1] });
    const failure = await failureOf(() =>
      verifyTensors(weights({ z: [1] }), expected, { subject }),
    );
    expect(failure).toEqual({
      reason: "tensor-missing",
      message: `${subject}: expected 5 tensors, got 1; missing: a, b, c and 2 more; not known: z; \
does the config fit the file?`,
    });
  });

  it("names surplus tensors", async () => {
    const got = weights({ a: [1], z: [1] });
    const failure = await failureOf(() => verifyTensors(got, shapes({ a: [1] }), { subject }));
    expect(failure.reason).toBe("tensor-surplus");
    expect(failure.message).toContain("not known: z;");
  });

  it.each([
    ["another size", [2, 4]],
    ["an axis more", [2, 3, 1]],
    ["an axis less", [2]],
    ["axes swapped", [3, 2]],
  ])("names a tensor of %s, with both shapes", async (_, shape) => {
    const run = () => verifyTensors(weights({ a: shape }), shapes({ a: [2, 3] }), { subject });
    const failure = await failureOf(run);
    expect(failure.reason).toBe("tensor-shape");
    expect(failure.message).toContain(`a: expected [2, 3], got [${shape.join(", ")}];`);
  });
});

async function written(folder: string, data: Readonly<Record<string, readonly number[]>>) {
  const path = join(folder, "x.safetensors");
  const tensors = Object.entries(data).map(
    ([name, values]) =>
      [name, { shape: [values.length], data: Float32Array.from(values) }] as const,
  );
  await writeSafetensors(path, new Map(tensors));
  return weightsOf((await openSafetensors(path)).entries);
}

describe("verifyFinite", () => {
  it("names the first tensor that holds NaN, and where", async () => {
    const folder = await temporaryFolder();
    const got = await written(folder, { a: [1, 2], b: [0, Number.NaN], c: [Number.NaN] });
    const failure = await failureOf(() => verifyFinite(got, { cacheDir: folder }));
    expect(failure.reason).toBe("tensor-not-finite");
    expect(failure.message).toContain("b: expected finite values, got NaN or infinity at value 1");
  });

  it("counts values across the pieces that it reads", async () => {
    const folder = await temporaryFolder();
    const values = new Float32Array(chunkBytes / 4 + 2);
    values[values.length - 1] = Number.NaN;
    const got = await written(folder, { a: [...values] });
    const failure = await failureOf(() => verifyFinite(got, { cacheDir: folder }));
    expect(failure.message).toContain(`at value ${chunkBytes / 4 + 1} of`);
  });

  it("keeps only a good verdict, and forgets it when the file changes", async () => {
    const folder = await temporaryFolder();
    const cacheDir = join(folder, "cache");
    const bad = await written(folder, { a: [Number.POSITIVE_INFINITY] });
    await failureOf(() => verifyFinite(bad, { cacheDir }));
    expect(await readdir(cacheDir).catch(() => [])).toEqual([]);

    const good = await written(folder, { a: [1] });
    await verifyFinite(good, { cacheDir });
    await verifyFinite(good, { cacheDir });
    expect(await readdir(join(cacheDir, "finite"))).toHaveLength(1);

    const worse = await written(folder, { a: [Number.NaN] });
    await utimes(join(folder, "x.safetensors"), 1, 1);
    const failure = await failureOf(() => verifyFinite(worse, { cacheDir }));
    expect(failure.reason).toBe("tensor-not-finite");
  });
});

describe("byFile", () => {
  it("orders by file and place, whatever the order of the map", () => {
    const at = (file: string, offset: number) =>
      ({ file, offset, byteLength: 4, dtype: "F32", shape: [1] }) as const;
    const map = new Map([
      ["z", at("/b", 0)],
      ["y", at("/a", 8)],
      ["x", at("/a", 4)],
    ]);
    const names = [...byFile(map)].map(([file, list]) => [file, ...list.map(([name]) => name)]);
    expect(names).toEqual([
      ["/a", "x", "y"],
      ["/b", "z"],
    ]);
  });
});
