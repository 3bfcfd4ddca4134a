import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createProgram, type ModuleSpec, type UNetConfig } from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostTensors, WeightLocations } from "./engine.js";
import type { Runner } from "./runner.js";
import { createTfjsRunner } from "./tfjs-runner.js";

const config: UNetConfig = {
  inChannels: 4,
  outChannels: 4,
  blockOutChannels: [8, 8, 8, 8],
  downAttention: [true, true, true, false],
  upAttention: [false, true, true, true],
  layersPerBlock: 1,
  heads: [2, 2, 2, 2],
  crossAttentionDim: 4,
  normGroups: 4,
  normEps: 1e-5,
  flipSinToCos: true,
  freqShift: 0,
  downsamplePadding: 1,
};

/** Attention to a prompt, with the gradient of its query weights. */
const spec: ModuleSpec = {
  kind: "module",
  moduleKind: "cross-attention",
  config,
  path: "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
  x: [2, 5, 8],
  text: [2, 3, 4],
  frames: 1,
  gradients: ["to_q.weight"],
  out: [2, 5, 8],
};

const elements = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);
const program = createProgram(spec);
const waves = (shape: readonly number[], speed: number): Float32Array =>
  Float32Array.from({ length: elements(shape) }, (_, i) => Math.sin(1 + i * speed));

const inputs: HostTensors = Object.fromEntries(
  program.inputs.map(({ name, shape }, i) => [name, { shape, data: waves(shape, 0.3 + 0.1 * i) }]),
);

let folder = "";
let weights: WeightLocations;
let runner: Runner;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "retake-tfjs-"));
  const file = join(folder, "weights");
  let offset = 0;
  const located = program.weights.map(({ name, shape }) => {
    const byteLength = 4 * elements(shape);
    const location = { file, offset, byteLength, dtype: "F32", shape } as const;
    offset += byteLength;
    return [name, location] as const;
  });
  writeFileSync(file, new Uint8Array(waves([offset / 4], 0.7).buffer));
  weights = new Map(located);
  runner = await createTfjsRunner({ threads: 1 }, { bindingDir: undefined });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("createTfjsRunner", () => {
  it("keeps the weights and nothing else between runs, and nothing once closed", async () => {
    const before = tf.memory().numTensors;
    const loaded = await runner.load(spec, weights);
    expect(tf.memory().numTensors).toBe(before + weights.size);
    for (let run = 0; run < 3; run += 1) {
      await loaded.run(inputs);
      expect(tf.memory().numTensors).toBe(before + weights.size);
    }
    await loaded.close();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("gives the same numbers in every run, of the shapes that the program declares", async () => {
    const loaded = await runner.load(spec, weights);
    const first = await loaded.run(inputs);
    expect(first["out"]?.shape).toEqual([2, 5, 8]);
    expect(Object.keys(first).sort()).toEqual(["grad.to_q.weight", "grad.x", "out"]);
    expect(await loaded.run(inputs)).toEqual(first);
    await loaded.close();
  });

  it("keeps nothing of a run or of weights that fail", async () => {
    const before = tf.memory().numTensors;
    const loaded = await runner.load(spec, weights);
    const { x: _, ...rest } = inputs;
    await expect(loaded.run(rest)).rejects.toMatchObject({ reason: "bad-option" });
    const turned = { ...inputs, x: { shape: [2, 8, 5], data: new Float32Array(80) } };
    await expect(loaded.run(turned)).rejects.toMatchObject({ reason: "bad-option" });
    await loaded.close();
    const withoutLast = new Map([...weights].slice(0, -1));
    await expect(runner.load(spec, withoutLast)).rejects.toMatchObject({
      reason: "tensor-missing",
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
