import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WorkSizes } from "./edit-programs.js";
import { openModelFiles } from "./model-files.js";
import { predictCost } from "./predict-cost.js";
import { startTensors, tunedBytes } from "./tuned-tensors.js";

const demo = fileURLToPath(new URL("../../../../models/demo", import.meta.url));
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "retake-files-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
const open = (source = demo) => openModelFiles({ source, cacheDir: join(folder, "cache") });

describe("openModelFiles", () => {
  it("opens a checkpoint in half precision, widened to float32", async () => {
    const files = await open();
    expect([files.name, files.latentFactor, files.pictureSide]).toEqual(["demo", 4, 64]);
    expect(files.card).toMatchObject({ defaults: { guidance: 3 } });
    for (const weights of Object.values(files.weights)) {
      expect(new Set([...weights.values()].map(({ dtype }) => dtype))).toEqual(new Set(["F32"]));
    }
  });

  it("refuses a tokenizer that is longer than the text encoder", async () => {
    const source = join(folder, "longer");
    await cp(demo, source, { recursive: true });
    const path = join(source, "tokenizer/tokenizer_config.json");
    const settings = await readFile(path, "utf8");
    await writeFile(path, settings.replace('"model_max_length": 24', '"model_max_length": 77'));
    await expect(open(source)).rejects.toMatchObject({ reason: "config-unsupported" });
  });
});

describe("startTensors", () => {
  it("takes queries from the checkpoint, and begins without an effect", async () => {
    const files = await open();
    const tensors = await startTensors(files, { seed: 1, temporalStart: "no-op" });
    const block = "mid_block.attentions.0.transformer_blocks.0";
    const query = tensors[`${block}.attn1.to_q.weight`];
    expect(query?.shape).toEqual([96, 96]);
    expect(query?.data.some((value) => value !== 0)).toBe(true);
    const isZero = (name: string): boolean =>
      tensors[`${block}.${name}`]?.data.every((value) => value === 0) ?? false;
    expect(isZero("attn_temp.to_out.0.weight") && isZero("attn_temp.to_out.0.bias")).toBe(true);
    const authors = await startTensors(files, { seed: 1, temporalStart: "authors" });
    const bias = authors[`${block}.attn_temp.to_out.0.bias`];
    expect(bias?.data.some((value) => value !== 0)).toBe(true);
  });
});

describe("tunedBytes", () => {
  it("counts the parameters that the demo model's README names", async () => {
    expect(tunedBytes(await open(), "paper")).toBe(4 * 486_432);
  });
});

describe("predictCost", () => {
  const sizes: WorkSizes = {
    ...{ frames: 8, height: 64, width: 64, branches: 1, framesPerPass: 1 },
    tuning: { mode: "paper", memory: "fast" },
  };

  it("counts about the operations that PyTorch counts for this VAE", async () => {
    const costs = predictCost(await open(), sizes);
    const measured = { "vae-encode": 0.21e9, "vae-decode": 0.53e9 } as const;
    for (const [name, flops] of Object.entries(measured)) {
      const ratio = (costs[name as keyof typeof measured]?.flops ?? 0) / flops;
      expect([name, ratio > 0.9 && ratio < 1.1]).toEqual([name, true]);
    }
  });

  it("takes gradients for two to three forward passes: frozen weights get none", async () => {
    const costs = predictCost(await open(), sizes);
    const ratio = (costs["unet-gradients"]?.flops ?? 0) / (costs.unet?.flops ?? 0);
    expect(ratio).toBeGreaterThan(2);
    expect(ratio).toBeLessThan(3);
  });

  it("trades memory for operations, and grows with frames and branches", async () => {
    const files = await open();
    const fast = predictCost(files, sizes);
    const low = predictCost(files, { ...sizes, tuning: { mode: "paper", memory: "low" } });
    const gradients = "unet-gradients";
    expect(low[gradients]?.memoryBytes).toBeLessThan((fast[gradients]?.memoryBytes ?? 0) * 0.7);
    expect(low[gradients]?.flops).toBeGreaterThan(fast[gradients]?.flops ?? 0);
    const joined = predictCost(files, { ...sizes, branches: 2, tuning: undefined });
    expect(joined[gradients]).toBeUndefined();
    expect((joined.unet?.flops ?? 0) / (fast.unet?.flops ?? 1)).toBeCloseTo(2, 1);
  });
});
