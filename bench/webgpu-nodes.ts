/**
 * `npm run bench:webgpu-nodes`: runs every kind of program on WebGPU under ONNX Runtime's profiler,
 * and counts which provider computed each node. Exits non-zero if any fell back to the CPU.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEngine, type HostTensors, type WeightLocations } from "@retake/gpu-node";
import { createProgram, type ProgramSpec, unetInputTensors } from "@retake/model";
import { trainableTensors } from "@retake/model/tuning";
import { openGoldenFolder } from "../test/golden/golden-folder.js";
import { type GoldenModel, openGoldenModel } from "../test/golden/golden-model.js";

interface Case {
  readonly spec: ProgramSpec;
  readonly weights: WeightLocations;
}

/** One program of each kind, on the tiny checkpoint. */
function casesOf(model: GoldenModel): Case[] {
  const { textConfig, vaeConfig, unetConfig, unetWeights, textWeights } = model;
  const vaeWeights = [...model.vaeWeights.values()][0] ?? new Map();
  const shape = { batch: 1, frames: 3, height: 8, width: 8, promptTokens: textConfig.promptTokens };
  const pixels = { config: vaeConfig, frames: 2, height: 32, width: 32 };
  const cells = { config: vaeConfig, frames: 2, height: 8, width: 8 };
  const tensors = trainableTensors(unetInputTensors(unetConfig), "paper");
  const trainable = tensors.map(({ name }) => name);
  const gradients = { kind: "unet-gradients", config: unetConfig, shape, trainable } as const;
  return [
    { spec: { kind: "text", config: textConfig, batch: 2 }, weights: textWeights },
    { spec: { kind: "vae-encode", ...pixels }, weights: vaeWeights },
    { spec: { kind: "vae-decode", ...cells }, weights: vaeWeights },
    { spec: { kind: "unet", config: unetConfig, shape }, weights: unetWeights },
    { spec: { ...gradients, memory: "fast" }, weights: unetWeights },
    { spec: { ...gradients, memory: "low" }, weights: unetWeights },
  ];
}

function someInputs(spec: ProgramSpec): HostTensors {
  const inputs = createProgram(spec).inputs.map(({ name, shape, dtype }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const waves = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
    return [name, { shape, data: dtype === "int32" ? new Int32Array(count) : waves }] as const;
  });
  return Object.fromEntries(inputs);
}

/** How many nodes each provider computed, from a profile of ONNX Runtime's. */
function countByProvider(profile: string): Map<string, number> {
  const events = JSON.parse(profile) as { cat?: string; name?: string; args?: unknown }[];
  const providers = new Map<string, string>();
  for (const { cat, name = "", args } of events) {
    const { provider } = (args ?? {}) as { provider?: string };
    if (cat === "Node" && provider !== undefined) providers.set(name, provider);
  }
  const counts = new Map<string, number>();
  for (const provider of providers.values()) {
    counts.set(provider, (counts.get(provider) ?? 0) + 1);
  }
  return counts;
}

async function takeProfile(profileDir: string): Promise<Map<string, number>> {
  const [file] = await readdir(profileDir);
  if (file === undefined) throw new Error(`expected a profile in ${profileDir}, got none`);
  const path = join(profileDir, file);
  const counts = countByProvider(await readFile(path, "utf8"));
  await rm(path);
  return counts;
}

/** The repository's root: this file runs from `dist/bench`. */
function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "tsconfig.base.json"))) folder = dirname(folder);
  return folder;
}

/** @returns  how many nodes fell back to the CPU */
async function profileAll(profileDir: string): Promise<number> {
  const root = repositoryRoot();
  const engine = await createEngine("onnx-webgpu", { threads: 2, profileDir });
  let fallenBack = 0;
  try {
    const folder = await openGoldenFolder(join(root, "test/golden/data"));
    const files = { cacheDir: join(root, ".cache"), tokenizerPath: "" };
    for (const { spec, weights } of casesOf(await openGoldenModel(folder, { ...files, engine }))) {
      const loaded = await engine.load(spec, weights);
      await loaded.run(someInputs(spec));
      await loaded.close();
      const counts = await takeProfile(profileDir);
      const title = "memory" in spec ? `${spec.kind} (${spec.memory})` : spec.kind;
      const list = [...counts].map(([provider, count]) => `${count} ${provider}`).join(", ");
      console.log(`${title.padEnd(24)} ${list}`);
      fallenBack += counts.get("CPUExecutionProvider") ?? 0;
    }
  } finally {
    await engine.close();
  }
  return fallenBack;
}

const profileDir = await mkdtemp(join(tmpdir(), "retake-profile-"));
try {
  const fallenBack = await profileAll(profileDir);
  console.log(`${fallenBack} nodes fell back to the CPU`);
  process.exitCode = fallenBack === 0 ? 0 : 1;
} finally {
  await rm(profileDir, { recursive: true });
}
