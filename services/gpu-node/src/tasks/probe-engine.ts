import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSafetensors, writeSafetensors } from "@retake/checkpoint";
import { fromUnknown } from "@retake/errors";
import { type TextConfig, textTensors } from "@retake/model";
import { createEngine } from "../runtime/create-engine.js";
import type { EngineName, WeightLocation, WeightLocations } from "../runtime/engine.js";
import { float32Values, isFinite32, sizeOf } from "./host-tensors.js";

/** What an engine can do on this machine. */
export type EngineStatus =
  | { readonly works: true; readonly numericsId: string }
  | { readonly works: false; readonly reason: string };

/** A text encoder small enough to be made up. */
const config: TextConfig = {
  vocabSize: 8,
  promptTokens: 4,
  width: 8,
  mlpWidth: 16,
  layers: 1,
  heads: 2,
  normEps: 1e-5,
  activation: "quick_gelu",
};

/**
 * Finds out whether an engine works here, by running a made-up network on it. Never throws for an
 * engine that does not; but a broken driver can end the process: call it in one of its own.
 */
export async function probeEngine(name: EngineName): Promise<EngineStatus> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "retake-probe-")));
  try {
    const weights = await madeUpWeights(join(folder, "weights.safetensors"));
    const engine = await createEngine(name, { threads: 1 });
    try {
      const program = await engine.load({ kind: "text", config, batch: 1 }, weights);
      const ids = { shape: [1, config.promptTokens], data: new Int32Array([0, 1, 2, 3]) };
      const { hidden } = await program.run({ ids });
      if (hidden === undefined || !isFinite32(float32Values(hidden))) {
        return { works: false, reason: "it computes no numbers" };
      }
      return { works: true, numericsId: engine.numericsId };
    } finally {
      await engine.close();
    }
  } catch (thrown) {
    return { works: false, reason: fromUnknown(thrown, name).message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function madeUpWeights(path: string): Promise<WeightLocations> {
  const tensors = textTensors(config).map(({ name, shape }) => {
    const data = new Float32Array(sizeOf(shape)).fill(0.1);
    return [name, { shape, data }] as const;
  });
  await writeSafetensors(path, new Map(tensors));
  const { entries } = await openSafetensors(path);
  return new Map(
    [...entries].map(([name, entry]): [string, WeightLocation] => [
      name,
      { ...entry, dtype: "F32" },
    ]),
  );
}
