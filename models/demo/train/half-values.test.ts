import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSafetensors, readFloat32, writeSafetensors } from "@retake/checkpoint";
import { describe, expect, it } from "vitest";
import { halfBytes } from "./half-values.js";

const patterns = (values: readonly number[]): number[] => [
  ...new Uint16Array(halfBytes(Float32Array.from(values)).buffer),
];

describe("halfBytes", () => {
  it("gives the pattern of numbers that half precision has", () => {
    const values = [0, -0, 1, -2, 65504, 2 ** -14, 2 ** -24, -(2 ** -24), 0.5];
    expect(patterns(values)).toEqual([
      ...[0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x8001, 0x3800],
    ]);
  });

  it("rounds to the nearest, and halfway to the even one", () => {
    const ulp = 2 ** -10;
    const between = [1 + 0.49 * ulp, 1 + 0.5 * ulp, 1 + 0.51 * ulp, 1 + 1.5 * ulp];
    expect(patterns(between)).toEqual([0x3c00, 0x3c00, 0x3c01, 0x3c02]);
    expect(patterns([0.5 * 2 ** -24, 0.51 * 2 ** -24, 1.5 * 2 ** -24])).toEqual([0, 1, 2]);
    expect(patterns([65519, 2 ** -14 * (1 - 2 ** -12)])).toEqual([0x7bff, 0x0400]);
  });

  it("refuses what half precision has no number for", () => {
    for (const value of [65520, Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(() => patterns([value])).toThrow(`got ${value}`);
    }
  });

  it("is the inverse of what reads checkpoints, for every finite pattern", async () => {
    const folder = mkdtempSync(join(tmpdir(), "retake-half-"));
    try {
      const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
      const finite = all.filter((bits) => (bits & 0x7c00) !== 0x7c00);
      const path = join(folder, "half.safetensors");
      async function* chunks(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(finite.buffer, 0, finite.byteLength);
      }
      const tensor = { dtype: "F16", shape: [finite.length], chunks } as const;
      await writeSafetensors(path, new Map([["x", tensor]]));
      const entry = (await openSafetensors(path)).entries.get("x");
      if (entry === undefined) throw new Error("expected the tensor that was written");
      expect(patterns([...(await readFloat32(entry))])).toEqual([...finite]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
