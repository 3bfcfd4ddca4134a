import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createProgram, type ModuleKind, type ModuleSpec, type ProgramSpec } from "@retake/model";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import type { HostTensor } from "./engine.js";
import { OnnxRunner } from "./onnx-runner.js";
import {
  createSmallCheckpoint,
  inputsFor,
  plainResults,
  smallConfig,
  smallGradients,
  smallTrainable,
} from "./testing/small-unet.js";

/** Another seed by RETAKE_SEED; a failure prints the one that it had. */
const seed = Number(process.env.RETAKE_SEED ?? 33);
const runs = Number(process.env.RETAKE_RUNS ?? 5);
/**
 * Of a tensor's maximum: as the goldens' gradients. Most are within 1e-5; norms over maps of one
 * cell multiply what is left of a cancellation.
 */
const tolerance = 2e-4;

const checkpoint = createSmallCheckpoint();
afterAll(checkpoint.remove);
const runner = new OnnxRunner("onnx-cpu", { threads: 1 });

const block = "down_blocks.0.attentions.0.transformer_blocks.0";
const upBlock = "up_blocks.1.attentions.1.transformer_blocks.0";

/** Sizes of a video, odd ones too. */
const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  frames: fc.integer({ min: 1, max: 4 }),
  height: fc.integer({ min: 1, max: 7 }),
  width: fc.integer({ min: 1, max: 7 }),
  tokens: fc.integer({ min: 1, max: 6 }),
  crop: fc.integer({ min: 0, max: 1 }),
});
type Sizes = typeof sizes extends fc.Arbitrary<infer Value> ? Value : never;
type Terms = Pick<ModuleSpec, "path" | "x"> & Partial<ModuleSpec>;

const video = ({ batch, frames, height, width }: Sizes, channels: number): number[] => [
  ...[batch, channels, frames, height, width],
];

/** A norm of two values has almost no gradient: what is left of it is rounding. */
const atLeastTwoRows = (of: Sizes): Sizes => ({ ...of, height: of.height + 1 });

/** What each kind of module is called with. */
const modules: Readonly<Record<ModuleKind, (of: Sizes) => Terms>> = {
  conv: (of) => ({ path: "conv_in", x: video(of, 4) }),
  downsample: (of) => ({ path: "down_blocks.0.downsamplers.0", x: video(of, 8) }),
  upsample: (of) => ({
    path: "up_blocks.0.upsamplers.0",
    x: video(of, 16),
    size: [2 * of.height - of.crop, 2 * of.width],
  }),
  resnet: (of) => ({
    path: "down_blocks.1.resnets.0",
    x: video(of, 8),
    temb: [of.batch, 32],
  }),
  "group-norm-over-frames": (of) => ({
    path: "down_blocks.0.resnets.0.norm1",
    x: video(atLeastTwoRows(of), 8),
  }),
  "group-norm-per-frame": (of) => ({
    path: "down_blocks.0.attentions.0.norm",
    x: video(atLeastTwoRows(of), 8),
  }),
  "layer-norm": (of) => ({ path: `${block}.norm1`, x: [of.batch, of.tokens, 8] }),
  "sparse-causal-attention": (of) => ({
    path: `${block}.attn1`,
    x: [of.batch * of.frames, of.tokens, 8],
  }),
  "cross-attention": (of) => ({
    path: `${upBlock}.attn2`,
    x: [of.batch * of.frames, of.tokens, 8],
    text: [of.batch, 3, 6],
  }),
  "feed-forward": (of) => ({ path: `${block}.ff`, x: [of.batch * of.frames, of.tokens, 8] }),
  "temporal-attention": (of) => ({
    path: `${block}.attn_temp`,
    x: [of.batch * of.tokens, of.frames, 8],
  }),
  "transformer-block": (of) => ({
    path: block,
    x: [of.batch * of.frames, of.tokens, 8],
    text: [of.batch, 3, 6],
  }),
  "transformer-3d": (of) => ({
    path: "up_blocks.1.attentions.0",
    x: video(of, 8),
    text: [of.batch, 3, 6],
  }),
  "mid-block": (of) => ({
    path: "mid_block",
    x: video(of, 16),
    text: [of.batch, 3, 6],
    temb: [of.batch, 32],
  }),
  "time-embedding": (of) => ({ path: "time_embedding", x: [of.batch + 1, 8] }),
};

/** The module's spec with all gradients that it has; `out` comes from a pass without them. */
async function moduleSpec(moduleKind: ModuleKind, of: Sizes): Promise<ModuleSpec> {
  const terms = modules[moduleKind](of);
  const plain: ModuleSpec = {
    ...{ kind: "module", config: smallConfig, moduleKind, frames: of.frames },
    ...terms,
  };
  const program = createProgram(plain);
  const results = await plainResults(program, inputsFor(program), checkpoint.find);
  const under = `${plain.path}.`;
  const tuned = smallTrainable.filter((name) => name.startsWith(under));
  const gradients = tuned.map((name) => name.slice(under.length));
  return { ...plain, gradients, out: results.out?.shape ?? [] };
}

async function onnxResults(spec: ProgramSpec): Promise<Record<string, HostTensor>> {
  const loaded = await runner.load(spec, checkpoint.locations);
  const results = await loaded.run(inputsFor(createProgram(spec)));
  await loaded.close();
  return { ...results };
}

async function agree(spec: ProgramSpec): Promise<void> {
  const program = createProgram(spec);
  const expected = await plainResults(program, inputsFor(program), checkpoint.find);
  const got = await onnxResults(spec);
  expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, { shape, data }] of Object.entries(expected)) {
    const result = got[name]?.data ?? new Float32Array(0);
    expect(got[name]?.shape, name).toEqual(shape);
    const numbers = [...data];
    const most = Math.max(...numbers.map(Math.abs));
    const errors = numbers.map((x, i) => Math.abs(x - (result[i] ?? Number.NaN)));
    const error = Math.max(...errors);
    expect(error, `${name} of at most ${most}`).toBeLessThanOrEqual(
      tolerance * Math.max(most, 0.1),
    );
  }
}

describe("OnnxRunner", () => {
  it.each(Object.keys(modules) as ModuleKind[])(
    "computes %s and its gradients as the plain backend does, whatever the sizes",
    async (kind) => {
      const property = fc.asyncProperty(sizes, async (of) => agree(await moduleSpec(kind, of)));
      await fc.assert(property, { seed, numRuns: runs });
    },
  );

  it("computes any nearest size where no gradient is asked for", async () => {
    const spec: ModuleSpec = {
      ...{ kind: "module", config: smallConfig, moduleKind: "upsample", frames: 1 },
      ...{ path: "up_blocks.0.upsamplers.0", x: [1, 16, 1, 3, 4], size: [5, 11] },
    };
    await agree(spec);
  });

  it("computes loss and gradients of the U-Net as the plain backend does", async () => {
    const property = fc.asyncProperty(sizes, ({ batch, frames, height, width }) =>
      agree(smallGradients({ batch, frames, height, width })),
    );
    await fc.assert(property, { seed, numRuns: Math.ceil(runs / 2) });
  });

  it("gives the same bits with and without recomputing", async () => {
    const property = fc.asyncProperty(sizes, async ({ batch, frames, height, width }) => {
      const shape = { batch, frames, height, width };
      const fast = await onnxResults(smallGradients(shape, "fast"));
      const low = await onnxResults(smallGradients(shape, "low"));
      expect(Object.keys(low).sort()).toEqual(Object.keys(fast).sort());
      for (const [name, { data }] of Object.entries(fast)) expect(low[name]?.data).toEqual(data);
    });
    await fc.assert(property, { seed, numRuns: runs });
  });

  it("computes activations again for low memory only: that program is the longer one", async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), "retake-onnx-"));
    const caching = new OnnxRunner("onnx-cpu", { threads: 1, cacheDir });
    const lengths = [];
    for (const memory of ["fast", "low"] as const) {
      const loaded = await caching.load(smallGradients({}, memory), checkpoint.locations);
      await loaded.close();
      const files = readdirSync(join(cacheDir, "programs"));
      lengths.push(files.map((file) => statSync(join(cacheDir, "programs", file)).size));
    }
    rmSync(cacheDir, { recursive: true });
    const [[fast = 0] = [], both = []] = lengths;
    expect(both).toHaveLength(2);
    expect(Math.min(...both)).toBe(fast);
    expect(Math.max(...both)).toBeGreaterThan(fast);
  });

  it("takes a program from its cache, and compiles it anew where it is damaged", async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), "retake-onnx-"));
    const spec = smallGradients();
    const given = inputsFor(createProgram(spec));
    const results = async () => {
      const caching = new OnnxRunner("onnx-cpu", { threads: 1, cacheDir });
      const loaded = await caching.load(spec, checkpoint.locations);
      const outputs = await loaded.run(given);
      await loaded.close();
      return outputs;
    };
    const compiled = await results();
    expect(await results()).toEqual(compiled);
    const [file = ""] = readdirSync(join(cacheDir, "programs"));
    writeFileSync(join(cacheDir, "programs", file), "damaged");
    expect(await results()).toEqual(compiled);
    expect(statSync(join(cacheDir, "programs", file)).size).toBeGreaterThan(1000);
    rmSync(cacheDir, { recursive: true });
  });

  it("computes the U-Net's noise and what is captured on the way", async () => {
    const shape = { batch: 2, frames: 3, height: 5, width: 6, promptTokens: 3 };
    const captures = ["mid_block", "down_blocks.0", "time_embedding"];
    await agree({ kind: "unet", config: smallConfig, shape, captures });
  });
});
