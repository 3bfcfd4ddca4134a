import { timestepRows, vaeFactor } from "@retake/model";
import { noisedLatents, type Schedule, timestepSinusoid } from "@retake/model/diffusion";
import {
  chances,
  type ItemKey,
  integerBy,
  noiseOfItem,
  posteriorNoiseOfItem,
} from "./batch-chances.js";
import { cellWeights } from "./cell-weights.js";
import {
  type BatchShape,
  diffusionErrorProgram,
  diffusionLayout,
  diffusionProgram,
} from "./diffusion-program.js";
import { drawnLatents } from "./latent-items.js";
import {
  type Arrays,
  itemsOf,
  type PhaseGiven,
  type PhaseWork,
  type ProgramCall,
} from "./phase.js";
import { wholePicture } from "./picture-crops.js";
import type { PictureSource } from "./picture-source.js";
import { type Networks, networksOf, phaseSeed, type Recipe } from "./recipe.js";
import type { LatentSet, PictureSet } from "./training-data.js";

/** The share of prompts that are left empty, so that guidance has something to guide from. */
const emptyPromptShare = 0.1;

/** Of ten steps of the clip phase, so many are on clips; the others on pictures. */
const clipStepsOfTen = 7;

/** Items of one worker's validation. */
const validatedAtOnce = 16;
export const validatedTimesteps = [100, 300, 500, 700, 900] as const;

/** One item of a batch: some pictures in a row, at one timestep. */
interface Item {
  readonly key: ItemKey;
  readonly set: PictureSet;
  readonly latents: LatentSet | undefined;
  /** Which pictures of the set. */
  readonly pictures: readonly number[];
  readonly timestep: number;
  readonly ids: Int32Array;
  /** What the item counts in the loss. */
  readonly weight: number;
}

/** min(SNR, 5) / SNR: keeps timesteps of little noise from drowning the others. */
function timestepWeight({ alphasCumprod }: Schedule, timestep: number): number {
  const signal = alphasCumprod[timestep] ?? 0;
  const ratio = signal / (1 - signal);
  return Math.min(ratio, 5) / ratio;
}

/** Puts `[frames][channels, cells]` at item `at` of `[batch, channels, frames, cells]`. */
function writeItem(
  into: Float32Array,
  at: number,
  { perFrame, channels }: { readonly perFrame: readonly Float32Array[]; readonly channels: number },
): void {
  const frames = perFrame.length;
  for (const [frame, values] of perFrame.entries()) {
    const cells = values.length / channels;
    for (let channel = 0; channel < channels; channel += 1) {
      const part = values.subarray(channel * cells, (channel + 1) * cells);
      into.set(part, ((at * channels + channel) * frames + frame) * cells);
    }
  }
}

/** The inputs of a batch, besides the weights. */
function batchInputs(networks: Networks, items: readonly Item[], shape: BatchShape): Arrays {
  const { unet, vae, schedule, text } = networks;
  const channels = unet.inChannels;
  const cells = shape.side ** 2;
  const itemValues = channels * shape.frames * cells;
  const latents = new Float32Array(items.length * itemValues);
  const target = new Float32Array(items.length * itemValues);
  const weight = new Float32Array(items.length * shape.frames * cells);
  const ids = new Int32Array(items.length * text.promptTokens);
  for (const [at, item] of items.entries()) {
    const count = channels * cells;
    const noise = noiseOfItem(item.key, itemValues);
    const posterior = posteriorNoiseOfItem(item.key, itemValues);
    const noises = item.pictures.map((_, i) => noise.subarray(i * count, (i + 1) * count));
    const noised = item.pictures.map((picture, i) => {
      const drawn = drawnLatents(
        item.latents,
        { channels, side: shape.side },
        {
          crop: { ...wholePicture(item.set, picture), side: shape.side },
          noise: posterior.subarray(i * count, (i + 1) * count),
        },
      ).map((value) => value * vae.scalingFactor);
      const of = { latents: drawn, noise: noises[i] ?? drawn, timesteps: [item.timestep] };
      return noisedLatents(schedule, of);
    });
    writeItem(latents, at, { perFrame: noised, channels });
    writeItem(target, at, { perFrame: noises, channels });
    const weights = cellWeights(item.set, item.pictures, { side: shape.side, total: item.weight });
    weight.set(
      weights.map((value) => value / channels),
      at * shape.frames * cells,
    );
    ids.set(item.ids, at * text.promptTokens);
  }
  const rows = timestepRows(items.length);
  const timesteps = Array.from(
    { length: rows },
    (_, row) => items[Math.min(row, items.length - 1)]?.timestep ?? 0,
  );
  return { latents, target, weight, ids, timestepSinusoid: timestepSinusoid(unet, timesteps) };
}

/** The frames of a clip that an item shows: some of all, in their order. */
function framesOfItem(key: ItemKey, { clipFrames, itemFrames }: Recipe): number[] {
  const order = [...chances({ ...key, item: key.item + 2 ** 20 }, clipFrames).entries()];
  const chosen = order.toSorted(([, a], [, b]) => a - b).slice(0, itemFrames);
  return chosen.map(([frame]) => frame).sort((a, b) => a - b);
}

/** Chooses the items of training batches. */
class Items {
  readonly #given: PhaseGiven;
  readonly #networks: Networks;
  readonly #seed: bigint;
  readonly #strangerShare: number;

  constructor(given: PhaseGiven, networks: Networks, phase: "unet" | "clip") {
    this.#given = given;
    this.#networks = networks;
    this.#seed = phaseSeed(given.recipe, phase);
    this.#strangerShare = phase === "clip" ? given.recipe.phases.clip.strangers.share : 0;
  }

  /** Item `item` of a batch of so many, whose timesteps are spread evenly. */
  of(at: {
    readonly step: number;
    readonly item: number;
    readonly batch: number;
    clips: boolean;
  }): Item {
    const { recipe, data } = this.#given;
    const { schedule } = this.#networks;
    const key = { seed: this.#seed, step: at.step, item: at.item };
    const [which = 0, when = 0, isEmpty = 0, isStrange = 0] = chances(key, 4);
    const timestep = integerBy((at.item + when) / at.batch, { below: schedule.timestepCount });
    const { set, latents } = this.#sourceOf({ isClip: at.clips, chance: isStrange });
    const first = at.clips
      ? recipe.clipFrames * integerBy(which, { below: set.count / recipe.clipFrames })
      : integerBy(which, { below: set === data.scenes ? recipe.scenes : set.count });
    const frames = at.clips ? framesOfItem(key, recipe) : [0];
    const { promptTokens } = set;
    const caption = set.ids.subarray(first * promptTokens, (first + 1) * promptTokens);
    return {
      ...{ key, set, latents, timestep },
      pictures: frames.map((frame) => first + frame),
      ids: isEmpty < emptyPromptShare ? data.emptyIds : caption,
      weight: timestepWeight(schedule, timestep) / at.batch,
    };
  }

  /** Where an item comes from: pictures or clips, or, of some items, strangers. */
  #sourceOf(item: { readonly isClip: boolean; readonly chance: number }): PictureSource {
    const { data } = this.#given;
    if (item.chance < this.#strangerShare) {
      return { set: data.strangers, latents: data.strangerLatents };
    }
    return item.isClip
      ? { set: data.clips, latents: data.clipLatents }
      : { set: data.scenes, latents: data.sceneLatents };
  }

  /** Item `at` of validation: another picture each, one timestep for all, nothing weighted. */
  validated(at: number, timestep: number): Item {
    const { recipe, data, share } = this.#given;
    const index = share.index * validatedAtOnce + at;
    const picture = recipe.scenes + index;
    const { ids, promptTokens } = data.scenes;
    return {
      key: { seed: this.#seed, step: 2 ** 31, item: index },
      ...{ set: data.scenes, latents: data.sceneLatents, pictures: [picture], timestep },
      ids: ids.subarray(picture * promptTokens, (picture + 1) * promptTokens),
      weight: 1 / validatedAtOnce,
    };
  }
}

/**
 * The phases of the U-Net and the text encoder. `unet`: pictures. `clip`: mostly some frames of a
 * clip at one noise level, with the inflated network's attention to the first and the previous
 * frame and its norms over all of them; else the network, when it is inflated, leaves subjects out
 * that it sees in another frame.
 */
export function diffusionWork(phase: "unet" | "clip", given: PhaseGiven): PhaseWork {
  const { recipe, share } = given;
  const networks = networksOf(recipe);
  const layout = diffusionLayout(networks);
  const items = new Items(given, networks, phase);
  const side = recipe.side / vaeFactor(networks.vae);
  const { batch } = recipe.phases[phase];
  const shapes = {
    pictures: { batch: batch / share.count, frames: 1, side },
    clips: { batch: batch / recipe.itemFrames / share.count, frames: recipe.itemFrames, side },
    error: { batch: validatedAtOnce, frames: 1, side },
  } as const;
  const validation = (timestep: number) => (): ProgramCall => {
    const all = Array.from({ length: validatedAtOnce }, (_, at) => items.validated(at, timestep));
    return { program: "error", inputs: batchInputs(networks, all, shapes.error) };
  };
  return {
    layout,
    programs: {
      pictures: () => diffusionProgram(layout, networks, shapes.pictures),
      clips: () => diffusionProgram(layout, networks, shapes.clips),
      error: () => diffusionErrorProgram(layout, networks, shapes.error),
    },
    step: (step) => {
      const clips = phase === "clip" && step % 10 < clipStepsOfTen;
      const count = clips ? batch / recipe.itemFrames : batch;
      const mine = itemsOf(count, share).map((item) =>
        items.of({ step, item, batch: count, clips }),
      );
      const program = clips ? "clips" : "pictures";
      return { program, inputs: batchInputs(networks, mine, shapes[program]) };
    },
    validation: Object.fromEntries(
      validatedTimesteps.map((timestep) => [`t=${timestep}`, validation(timestep)]),
    ),
  };
}
