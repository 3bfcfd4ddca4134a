import { fileURLToPath } from "node:url";
import { createEngine, type Engine, type EngineName } from "@retake/gpu-node";
import { afterAll, describe, expect, it } from "vitest";
import { type GoldenOptions, runGolden } from "../golden/golden-run.js";
import { tableLine } from "../golden/golden-table.js";
import { isWithin } from "../golden/measurement.js";

const dir = fileURLToPath(new URL("../golden/data", import.meta.url));
const cacheDir = fileURLToPath(new URL("../../.cache", import.meta.url));

/** Every kind of program; of the slow groups one case each. */
const chosen: readonly Pick<GoldenOptions, "groups" | "cases">[] = [
  { groups: ["text", "vae", "modules"] },
  { groups: ["unet"], cases: /^f2_9x13/ },
  { groups: ["tune"], cases: /clip/ },
];

/** The lines of golden rows that an engine does not reproduce, and how many there are in all. */
async function goldenRows(engine: Engine): Promise<{ count: number; failed: string[] }> {
  const options = { dir, cacheDir, engine, tokenizerPath: `${dir}/tiny-sd/tokenizer` };
  const failed: string[] = [];
  let count = 0;
  for (const part of chosen) {
    for await (const row of runGolden({ ...options, ...part })) {
      count += 1;
      if (row.kind !== "measured" || !isWithin(row)) failed.push(tableLine(row));
    }
  }
  return { count, failed };
}

/** The engine, or why this machine cannot run it. */
async function opened(name: EngineName): Promise<Engine | { readonly absence: unknown }> {
  return createEngine(name, { threads: 2 }).catch((absence: unknown) => ({ absence }));
}

const engines = [
  { name: "onnx-webgpu", engine: await opened("onnx-webgpu") },
  { name: "onnx-cuda", engine: await opened("onnx-cuda") },
  { name: "tfjs", engine: await opened("tfjs") },
];

for (const { name, engine } of engines) {
  if ("absence" in engine) console.log(`${name} is not tested here: ${engine.absence}`);
}

afterAll(async () => {
  for (const { engine } of engines) if ("close" in engine) await engine.close();
});

// On WebGPU no node may fall back to the CPU (`sessionOptions`): rows that are there prove it.
describe.each(engines)("createEngine of $name", ({ engine }) => {
  const isAbsent = "absence" in engine;
  // The plain backend is an oracle, and too slow for all of it: `npm run golden` has more.
  const isPlain = !isAbsent && engine.numericsId.endsWith("plain");

  it.skipIf(isAbsent || isPlain)(
    "reproduces the authors' numbers",
    async () => {
      if (isAbsent) return;
      const { count, failed } = await goldenRows(engine);
      expect(failed).toEqual([]);
      expect(count).toBeGreaterThan(80);
    },
    1_200_000,
  );

  it.runIf(isAbsent)("says what is missing where it cannot run", () => {
    expect(isAbsent && engine.absence).toMatchObject({
      reason: "engine-unavailable",
      message: expect.stringMatching(/: expected .*, got .*; /),
    });
  });
});
