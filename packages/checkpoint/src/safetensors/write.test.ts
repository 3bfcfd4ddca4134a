import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { openSafetensors } from "./read.js";
import { type TensorToWrite, writeSafetensors } from "./write.js";

const values = (...data: readonly number[]): TensorToWrite => ({
  shape: [data.length],
  data: Float32Array.from(data),
});

const halves = (bytes: Uint8Array): TensorToWrite => ({
  dtype: "F16",
  shape: [bytes.byteLength / 2],
  async *chunks() {
    yield bytes.subarray(0, 1);
    yield bytes.subarray(1);
  },
});

describe("writeSafetensors", () => {
  it("writes the same bytes for the same tensors in another order", async () => {
    const folder = await temporaryFolder();
    const tensors: [string, TensorToWrite][] = [
      ["b", values(1, 2)],
      ["a", values(3)],
      ["h", halves(Uint8Array.of(1, 2, 3, 4, 5, 6))],
    ];
    const [one, other] = [join(folder, "1"), join(folder, "2")];
    await writeSafetensors(
      one,
      new Map(tensors),
      new Map([
        ["x", "1"],
        ["y", "2"],
      ]),
    );
    const reversed = new Map([
      ["y", "2"],
      ["x", "1"],
    ]);
    await writeSafetensors(other, new Map([...tensors].reverse()), reversed);
    expect(await readFile(one)).toEqual(await readFile(other));
    // Also the same as last year: a changed layout would make every stored hash worthless.
    expect(
      createHash("sha256")
        .update(await readFile(one))
        .digest("hex"),
    ).toBe("de7d35b2d9b9a5f796374a57f9f68e0b41b0aadf2ff9490bbc9ebcc2744b4720");
  });

  it("begins the data at a multiple of 64, wide types first", async () => {
    const path = join(await temporaryFolder(), "x");
    for (let length = 1; length < 70; length++) {
      const odd = halves(Uint8Array.of(1, 2));
      const name = "n".repeat(length);
      await writeSafetensors(
        path,
        new Map([
          ["a", odd],
          [name, values(1)],
        ]),
      );
      const { entries } = await openSafetensors(path);
      expect((entries.get(name)?.offset ?? 1) % 64).toBe(0);
    }
  });

  it("leaves what was there, and nothing else, when a tensor's source fails", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "x");
    await writeSafetensors(path, new Map([["a", values(1)]]));
    const before = await readFile(path);
    const full: TensorToWrite = {
      dtype: "F32",
      shape: [2],
      async *chunks() {
        yield new Uint8Array(4);
        throw Object.assign(new Error("write"), { code: "ENOSPC" });
      },
    };
    const failure = await failureOf(() => writeSafetensors(path, new Map([["a", full]])));
    expect(failure.reason).toBe("disk-full");
    expect(await readFile(path)).toEqual(before);
    expect(await readdir(folder)).toEqual(["x"]);
  });

  it("refuses data of another length than the shape says", async () => {
    const path = join(await temporaryFolder(), "x");
    const tensors = new Map([["a", { shape: [3], data: Float32Array.of(1) }]]);
    const failure = await failureOf(() => writeSafetensors(path, tensors));
    expect(failure).toEqual({
      reason: "tensor-shape",
      message: "a: expected 12 bytes for F32 [3], got 4",
    });
    const broken = new Map([["a", { shape: [0.5], data: new Float32Array() }]]);
    expect((await failureOf(() => writeSafetensors(path, broken))).reason).toBe("tensor-shape");
  });

  it("says that a folder which is not there cannot be written", async () => {
    const path = join(await temporaryFolder(), "missing", "x");
    const failure = await failureOf(() => writeSafetensors(path, new Map()));
    expect(failure.reason).toBe("output-not-writable");
    expect(failure.message).toContain(path);
  });
});
