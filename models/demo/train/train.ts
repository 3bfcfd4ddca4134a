import { join } from "node:path";
import { vaeFactor, vaeTensors } from "@retake/model";
import { vaeDecoderTensors } from "@retake/model/network";
import { packedVector, tensorsOfVector, vectorLayout } from "@retake/model/tuning";
import { readArrays, writeArrays } from "./array-file.js";
import { diffusionLayout } from "./diffusion-program.js";
import { initialWeights } from "./initial-weights.js";
import { phaseWork } from "./phase-work.js";
import {
  latentsHash,
  networksOf,
  type PhaseName,
  phaseNames,
  phaseSeed,
  type Recipe,
} from "./recipe.js";
import { recoloured } from "./recolour.js";
import { type TrainControl, trainPhase } from "./train-phase.js";
import {
  emptyLatents,
  type LatentSet,
  type PictureSet,
  type TrainingData,
} from "./training-data.js";
import { type PhaseState, readState, type StateFolder } from "./training-state.js";
import { startVectors } from "./training-vectors.js";
import { channelMoments, whiten, whitenLatents } from "./whitening.js";
import { WorkerPool, workerCount } from "./worker-pool.js";

/** What a training is made from. */
export interface TrainingGiven {
  readonly at: StateFolder;
  readonly data: TrainingData;
  /** The worker's program, built. */
  readonly entry: URL;
}

/** The weights that a whole training gives, by their keys. */
export type TrainedWeights = ReadonlyMap<string, Float32Array>;

/** Goes on with a phase from its state, or from the start that it is given. */
async function runPhase(
  { at, data, entry }: TrainingGiven,
  phase: PhaseName,
  start: () => Float32Array,
  control: TrainControl,
): Promise<PhaseState> {
  const { recipe } = at;
  const known = await readState(at, phase);
  if (known !== undefined && known.step >= recipe.phases[phase].steps) return known;
  const vectors = known?.vectors ?? startVectors(start());
  const pool = new WorkerPool({ entry, recipe, phase, data, start: vectors });
  const share = { index: 0, count: workerCount };
  const { validation } = phaseWork(phase, { recipe, data, share });
  const from = known ?? { step: 0, losses: [], validations: [] };
  try {
    return await trainPhase(pool, { at, phase, validation, from }, control);
  } finally {
    await pool.end();
  }
}

/** The pictures that the VAE is trained on. */
type WithRecoloured = TrainingData & { readonly recoloured: PictureSet };

/** The VAE as the U-Net sees it, and what its encoder says of all pictures: both whitened. */
interface Encoded {
  readonly vae: Float32Array;
  readonly sceneLatents: LatentSet;
  readonly recolouredLatents: LatentSet;
  readonly clipLatents: LatentSet;
  readonly strangerLatents: LatentSet;
}

/** Kept ones, else all pictures are encoded, and the latents whitened. */
async function encodedPictures(
  { at, data, entry }: TrainingGiven & { readonly data: WithRecoloured },
  trained: Float32Array,
): Promise<Encoded> {
  const { recipe } = at;
  const config = networksOf(recipe).vae;
  const cells = (recipe.side / vaeFactor(config)) ** 2;
  const latentsFor = (set: PictureSet): LatentSet =>
    emptyLatents(set, config.latentChannels * cells);
  const encoded = {
    vae: trained.slice(),
    sceneLatents: latentsFor(data.scenes),
    recolouredLatents: latentsFor(data.recoloured),
    clipLatents: latentsFor(data.clips),
    strangerLatents: latentsFor(data.strangers),
  };
  const sets = {
    scenes: [data.scenes, encoded.sceneLatents],
    recoloured: [data.recoloured, encoded.recolouredLatents],
    clips: [data.clips, encoded.clipLatents],
    strangers: [data.strangers, encoded.strangerLatents],
  } as const;
  const hash = latentsHash(recipe);
  const file = { path: join(at.folder, `latents-${hash}.safetensors`), hash };
  const arrays = Object.entries(sets).flatMap(([name, [, { mean, logVariance }]]) => [
    [`${name}.mean`, mean] as const,
    [`${name}.logVariance`, logVariance] as const,
  ]);
  const kept = new Map([["vae", encoded.vae] as const, ...arrays]);
  if (await readArrays(file, kept)) return encoded;
  const start = startVectors(trained);
  const pool = new WorkerPool({ entry, recipe, phase: "vae", data, start });
  try {
    for (const [set, latents] of Object.values(sets)) await pool.encode(set, latents);
  } finally {
    await pool.end();
  }
  const channels = { channels: config.latentChannels, cells };
  const moments = channelMoments(encoded.sceneLatents, channels);
  whiten({ layout: vectorLayout(vaeTensors(config)), weights: encoded.vae }, config, moments);
  for (const [, latents] of Object.values(sets)) whitenLatents(latents, { config, cells }, moments);
  await writeArrays(file, kept);
  return encoded;
}

const isDone = (recipe: Recipe, phase: PhaseName, { step }: PhaseState): boolean =>
  step >= recipe.phases[phase].steps;

/**
 * Trains a checkpoint from nothing, or goes on where a training of the same recipe was stopped:
 * with the same bits.
 *
 * @returns  the weights; undefined if it was stopped before the end
 */
export async function train(
  pictures: TrainingGiven,
  control: TrainControl,
): Promise<TrainedWeights | undefined> {
  const { recipe } = pictures.at;
  const { scenes } = pictures.data;
  const all = { ...pictures.data, recoloured: recoloured(scenes, recipe.seed) };
  const given = { ...pictures, data: all };
  const networks = networksOf(recipe);
  const layouts = {
    vae: vectorLayout(vaeTensors(networks.vae)),
    unet: diffusionLayout(networks),
    decoder: vectorLayout(vaeDecoderTensors(networks.vae)),
  };
  const random = (phase: "vae" | "unet") => () =>
    initialWeights(layouts[phase], phaseSeed(recipe, phase));

  const vaeState = await runPhase(given, "vae", random("vae"), control);
  if (!isDone(recipe, "vae", vaeState)) return undefined;
  const { vae, ...latents } = await encodedPictures(given, vaeState.vectors.average);
  const data = { ...all, ...latents };
  const vaeByName = tensorsOfVector(layouts.vae, vae);
  const encoded = { ...given, data };

  const unetState = await runPhase(encoded, "unet", random("unet"), control);
  if (!isDone(recipe, "unet", unetState)) return undefined;
  const unet = () => unetState.vectors.average.slice();
  const clipState = await runPhase(encoded, "clip", unet, control);
  if (!isDone(recipe, "clip", clipState)) return undefined;

  const decoder = () => packedVector(layouts.decoder, (name) => vaeByName.get(name));
  const decoderState = await runPhase(encoded, "decoder", decoder, control);
  if (!isDone(recipe, "decoder", decoderState)) return undefined;
  return new Map([
    ...vaeByName,
    ...tensorsOfVector(layouts.decoder, decoderState.vectors.average),
    ...tensorsOfVector(layouts.unet, clipState.vectors.average),
  ]);
}

/** The losses of all phases that have begun. */
export async function lossesSoFar(
  at: StateFolder,
): Promise<ReadonlyMap<PhaseName, readonly number[]>> {
  const losses = new Map<PhaseName, readonly number[]>();
  for (const phase of phaseNames) {
    const state = await readState(at, phase);
    if (state !== undefined) losses.set(phase, state.losses);
  }
  return losses;
}
