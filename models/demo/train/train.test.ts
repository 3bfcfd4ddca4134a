import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createTokenizer } from "@retake/checkpoint";
import { openModelFiles } from "@retake/gpu-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointConfigs } from "./checkpoint-configs.js";
import { exportCheckpoint } from "./export-checkpoint.js";
import { drawLossCurves } from "./loss-curves.js";
import { fullRecipe, type Recipe } from "./recipe.js";
import { lossesSoFar, type TrainedWeights, train } from "./train.js";
import { drawTrainingData, type TrainingData } from "./training-data.js";

/** The worker's program is always the built one, also when tests run the sources. */
const entry = new URL("../../../dist/models/demo/train/train-worker.js", import.meta.url);
const tokenizerFolder = "models/demo/tokenizer";

const { unet, vae } = checkpointConfigs;
const phase = { batch: 8, rate: 1e-3, warmupSteps: 1, finalShare: 0.1, averageKeep: 0.9 };

/** Two narrow levels and a few steps: as short as all kinds of steps allow. */
const recipe: Recipe = {
  ...fullRecipe,
  ...{ scenes: 16, validationScenes: 32, clips: 2 },
  configs: {
    ...checkpointConfigs,
    unet: {
      ...{ ...unet, block_out_channels: [8, 8], layers_per_block: 1, norm_num_groups: 2 },
      down_block_types: ["CrossAttnDownBlock2D", "DownBlock2D"],
      up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D"],
    },
    vae: { ...vae, block_out_channels: [4, 4, 8], norm_num_groups: 2 },
  },
  phases: {
    vae: { ...phase, steps: 4 },
    unet: { ...phase, steps: 2 },
    clip: { ...phase, steps: 9, strangers: { clips: 2, share: 1 / 2 } },
    decoder: { ...phase, steps: 5 },
  },
};

const folder = mkdtempSync(join(tmpdir(), "retake-train-"));
afterAll(() => rmSync(folder, { recursive: true }));

let data: TrainingData;
beforeAll(async () => {
  data = drawTrainingData(recipe, await createTokenizer(tokenizerFolder));
});

/** Goes on with a training; stops after so many steps of the clip phase, if it is told to. */
function trained(states: string, stopAt?: number): Promise<TrainedWeights | undefined> {
  const control = new AbortController();
  return train(
    { at: { folder: states, recipe }, data, entry },
    {
      signal: control.signal,
      onStep: (phase, { step }) => {
        if (phase === "clip" && step === stopAt) control.abort();
      },
      onValidation: () => undefined,
      ...{ stepsBetweenStates: 3, stepsBetweenValidations: 100 },
    },
  );
}

/** Two threads compile a dozen programs, one after the other. */
const timeoutMs = 600_000;

describe("train", () => {
  it("gives the same bits when it is stopped and gone on with", {
    timeout: timeoutMs,
  }, async () => {
    const [once, twice] = ["once", "twice"].map((name) => join(folder, name)) as [string, string];
    mkdirSync(once);
    const undisturbed = await trained(once);
    cpSync(once, twice, { recursive: true, filter: (path) => !/clip|decoder/.test(path) });
    expect(await trained(twice, 8)).toBeUndefined();
    const goneOn = await trained(twice);
    if (undisturbed === undefined) throw new Error("expected the training to come to its end");
    expect([...(goneOn?.keys() ?? [])]).toEqual([...undisturbed.keys()]);
    for (const [name, values] of undisturbed) expect(goneOn?.get(name), name).toEqual(values);
    expect((await lossesSoFar({ folder: twice, recipe })).get("clip")?.length).toBe(9);

    const out = join(folder, "checkpoint");
    const to = { folder: out, tokenizer: tokenizerFolder };
    await exportCheckpoint(recipe, (name) => undisturbed.get(name), to);
    const files = await openModelFiles({ source: out, cacheDir: join(folder, "cache") });
    expect(files.latentFactor).toBe(4);
    expect(files.pictureSide).toBe(64);
  });

  it("draws the loss of what has been trained", async () => {
    const path = join(folder, "losses.png");
    await drawLossCurves(path, new Map([["vae", [1, 0.5, 0.25]]]));
    const { default: sharp } = await import("sharp");
    const { width, height, format } = await sharp(path).metadata();
    expect({ width, height, format }).toEqual({ width: 420, height: 240, format: "png" });
  });
});
