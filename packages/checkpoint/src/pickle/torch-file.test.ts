import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { assemble, tensorPickle, zipOf } from "../testing/pickle-assembly.js";
import { testData } from "../testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { openTorchFile } from "./torch-file.js";

const { pickle, text, dict, global, tuple, code } = assemble;
const tensor = pickle(dict(text("a"), tensorPickle({ count: 2, shape: [2], strides: [1] })));

async function opened(bytes: Uint8Array) {
  const path = join(await temporaryFolder(), "x.bin");
  await writeFile(path, bytes);
  return openTorchFile(path);
}

describe("openTorchFile", () => {
  it.each(["zip", "legacy", "nested"])("opens what PyTorch wrote as %s", async (name) => {
    const file = await openTorchFile(join(testData, "torch", `${name}.bin`));
    expect([...file.tensors.keys()]).toEqual([
      ...["f32", "f16", "bf16", "transposed", "transposed_f16", "tail", "every_second"],
      ...["scalar", "empty", "parameter", "embeddings.position_ids"],
    ]);
    expect(file.tensors.get("transposed")).toMatchObject({ shape: [3, 2], strides: [1, 3] });
    expect(file.tensors.get("tail")).toMatchObject({ start: 4, shape: [6] });
  });

  it("ends in a RetakeError for each of these files cut off anywhere", async () => {
    for (const name of ["zip", "legacy"]) {
      const bytes = await readFile(join(testData, "torch", `${name}.bin`));
      for (let length = 0; length < bytes.byteLength; length += 13) {
        expect((await failureOf(() => opened(bytes.subarray(0, length)))).reason).toMatch(/^file-/);
      }
    }
  });

  it("refuses a malicious pickle in an archive, and one without", async () => {
    const attack = pickle(global("os", { name: "system" }), tuple(text("id")), code("R"));
    const zip = zipOf(new Map([["x/data.pkl", attack]]));
    for (const bytes of [zip, attack]) {
      const failure = await failureOf(() => opened(bytes));
      expect(failure.reason).toBe("pickle-forbidden");
      expect(failure.message).toContain("os.system");
    }
  });

  it("refuses a storage that is missing, too small, or of the other byte order", async () => {
    const storage = ["x/data/0", Buffer.alloc(8)] as const;
    const data = ["x/data.pkl", tensor] as const;
    expect((await opened(zipOf(new Map([data, storage])))).tensors.size).toBe(1);
    const order = (text: string) => ["x/byteorder", Buffer.from(text)] as const;
    expect((await opened(zipOf(new Map([data, storage, order("little")])))).tensors.size).toBe(1);
    const small = ["x/data/0", Buffer.alloc(7)] as const;
    for (const list of [[data], [data, small], [data, storage, order("big")], [storage]]) {
      expect((await failureOf(() => opened(zipOf(new Map(list))))).reason).toBe("file-malformed");
    }
  });
});
