import { createHash } from "node:crypto";
import {
  parseTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  type TextConfig,
  type UNetConfig,
  type VaeConfig,
} from "@retake/model";
import { noiseSchedule, parseScheduleConfig, type Schedule } from "@retake/model/diffusion";
import { checkpointConfigs } from "./checkpoint-configs.js";

/** The phases of the training, in their order. */
export const phaseNames = ["vae", "unet", "clip", "decoder"] as const;
export type PhaseName = (typeof phaseNames)[number];

/** How one phase goes. */
export interface PhaseSettings {
  readonly steps: number;
  /** AdamW's rate after the warm-up; it falls along a cosine to `finalShare` of it. */
  readonly rate: number;
  readonly warmupSteps: number;
  readonly finalShare: number;
  /** The share of itself that the running average of the weights keeps at a step. */
  readonly averageKeep: number;
  /** Items of a batch: pictures, or crops of them. All workers together. */
  readonly batch: number;
}

/** Clips of strangers (`../world/strangers.ts`), and the share of items that show one. */
export interface StrangerSettings {
  readonly clips: number;
  readonly share: number;
}

/** All that decides the bits of the checkpoint, besides the code. */
export interface Recipe {
  readonly seed: number;
  /** Training pictures; as many of `validationScenes` follow them, which are never trained on. */
  readonly scenes: number;
  readonly validationScenes: number;
  readonly clips: number;
  readonly clipFrames: number;
  /** Frames of a clip that one item of the clip phase shows. */
  readonly itemFrames: number;
  /** Pixels to a side of a picture, and of a crop of it. */
  readonly side: number;
  readonly cropSide: number;
  /** The share of the VAE's items that show a picture in other colours. */
  readonly recolouredShare: number;
  readonly configs: Readonly<Record<keyof typeof checkpointConfigs, object>>;
  readonly phases: Readonly<Record<PhaseName, PhaseSettings>> & {
    readonly clip: { readonly strangers: StrangerSettings };
  };
}

/** What is shipped. */
export const fullRecipe: Recipe = {
  seed: 33,
  scenes: 16384,
  validationScenes: 64,
  clips: 1024,
  clipFrames: 8,
  itemFrames: 4,
  side: 64,
  cropSide: 32,
  recolouredShare: 1 / 3,
  configs: checkpointConfigs,
  phases: {
    vae: {
      ...{ steps: 3600, batch: 16, averageKeep: 0.998 },
      ...{ rate: 2e-3, warmupSteps: 50, finalShare: 0.02 },
    },
    unet: {
      ...{ steps: 8500, batch: 16, averageKeep: 0.999 },
      ...{ rate: 1.5e-3, warmupSteps: 100, finalShare: 0.1 },
    },
    clip: {
      ...{ steps: 4500, batch: 16, averageKeep: 0.998 },
      ...{ rate: 6e-4, warmupSteps: 50, finalShare: 0.02 },
      strangers: { clips: 1536, share: 1 / 3 },
    },
    decoder: {
      ...{ steps: 4000, batch: 16, averageKeep: 0.998 },
      ...{ rate: 1.5e-3, warmupSteps: 50, finalShare: 0.02 },
    },
  },
};

/** A recipe with other numbers of steps, by phase. */
export function withSteps(recipe: Recipe, steps: Partial<Record<PhaseName, number>>): Recipe {
  const phases = phaseNames.map((name) => {
    const settings = recipe.phases[name];
    return [name, { ...settings, steps: steps[name] ?? settings.steps }] as const;
  });
  return { ...recipe, phases: Object.fromEntries(phases) as Recipe["phases"] };
}

/** Clips norms of gradients, and how AdamW forgets. */
export const optimiser = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0.01,
  gradientNormMax: 1,
} as const;

/** The networks that a recipe trains, as the model's functions take them. */
export interface Networks {
  readonly unet: UNetConfig;
  readonly vae: VaeConfig;
  readonly text: TextConfig;
  readonly schedule: Schedule;
}

export function networksOf({ configs }: Recipe): Networks {
  return {
    unet: parseUNetConfig(configs.unet),
    vae: parseVaeConfig(configs.vae),
    text: parseTextConfig(configs.text_encoder),
    schedule: noiseSchedule(parseScheduleConfig(configs.scheduler)),
  };
}

/** Phases that a phase builds on. */
const phasesBefore: Readonly<Record<PhaseName, readonly PhaseName[]>> = {
  vae: [],
  unet: ["vae"],
  clip: ["vae", "unet"],
  decoder: ["vae"],
};

/**
 * Names all of a recipe that decides the bits of a phase: its state is gone on from under the same
 * name only, whatever the phases say that come after it.
 */
export function phaseHash(recipe: Recipe, phase: PhaseName): string {
  const names = [...phasesBefore[phase], phase];
  return hashOf({ ...recipe, phases: names.map((name) => [name, recipe.phases[name]]) });
}

/** Names a recipe's pictures: recipes that differ in how they train share them. */
export function picturesHash(recipe: Recipe): string {
  const { seed, scenes, validationScenes, clips, clipFrames, side } = recipe;
  const strangers = recipe.phases.clip.strangers.clips;
  return hashOf({ seed, scenes, validationScenes, clips, clipFrames, side, strangers });
}

/** Names what the encoder says of a recipe's pictures. */
export const latentsHash = (recipe: Recipe): string =>
  hashOf({ vae: phaseHash(recipe, "vae"), pictures: picturesHash(recipe) });

function hashOf(value: object): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}

/** The seed of a phase's random numbers: no two phases share any. */
export function phaseSeed({ seed }: Recipe, phase: PhaseName): bigint {
  return BigInt(seed) * 16n + BigInt(1 + phaseNames.indexOf(phase));
}
