import { fileURLToPath } from "node:url";
import { createEngine, type EngineName } from "@retake/gpu-node";
import { describe, expect, it } from "vitest";
import { type GoldenOptions, goldenGroups, runGolden } from "./golden-run.js";
import { summaryLine, tableLine } from "./golden-table.js";
import { isWithin, type Row } from "./measurement.js";

const dir = fileURLToPath(new URL("./data", import.meta.url));
const cacheDir = fileURLToPath(new URL("../../.cache", import.meta.url));
const withoutSdSize = goldenGroups.filter((group) => group !== "sd-size");

async function rowsOf(
  name: EngineName,
  chosen: Pick<GoldenOptions, "groups" | "cases">,
): Promise<readonly Row[]> {
  const engine = await createEngine(name, { threads: 2, cacheDir });
  const rows: Row[] = [];
  try {
    const tokenizerPath = `${dir}/tiny-sd/tokenizer`;
    const options = { dir, cacheDir, tokenizerPath, engine, ...chosen };
    for await (const row of runGolden(options)) rows.push(row);
  } finally {
    await engine.close();
  }
  return rows;
}

/** The lines of rows that are not within tolerance. */
const failed = (rows: readonly Row[]): string[] =>
  rows.filter((row) => row.kind === "measured" && !isWithin(row)).map(tableLine);
const namesOf = (rows: readonly Row[]): string[] => rows.map((row) => `${row.group} ${row.name}`);

describe("runGolden", () => {
  it("finds every public case within tolerance on ONNX Runtime", async () => {
    const rows = await rowsOf("onnx-cpu", { groups: withoutSdSize });
    expect(failed(rows)).toEqual([]);
    const groups = new Set(rows.map(({ group }) => group));
    expect([...groups].sort()).toEqual(withoutSdSize.toSorted());
    expect(summaryLine(rows)).toBe("403 of 403 within tolerance");
  }, 600_000);

  it("skips only what is left out on purpose", async () => {
    const rows = await rowsOf("onnx-cpu", { groups: ["schedule"] });
    const skipped = rows.filter((row) => row.kind === "skipped");
    expect(namesOf(skipped).every((name) => /pndm|add_noise_f16/.test(name))).toBe(true);
  });

  it("agrees on modules and a pass with TensorFlow.js's plain backend", async () => {
    const modules = await rowsOf("tfjs", { groups: ["modules"] });
    expect(failed(modules)).toEqual([]);
    expect(modules.length).toBeGreaterThan(50);
    const pass = await rowsOf("tfjs", { groups: ["unet"], cases: /^f2_9x13/ });
    expect(failed(pass)).toEqual([]);
    expect(namesOf(pass)).toContain("unet f2_9x13_t481/out");
  }, 600_000);
});
