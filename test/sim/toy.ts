import type { EditRecord, EditSpec } from "@retake/coordinator/job";
import { mixed } from "./random.js";

/** Toy mathematics with the shape of the real: every result depends on all that went before. */
export const iterationCount = 3;

const videoOf = ({ videoId }: EditSpec): number => Number(videoId);
export const clipOf = (spec: EditSpec): number => mixed(1, videoOf(spec));
/** Of the whole clip, from its parts in their order, each of which lists its frames'. */
export const joinedMoments = (parts: readonly string[]): number =>
  mixed(11, ...parts.flatMap((part) => part.split(",").map(Number)));
export const startWeights = ({ settings }: EditSpec): number => mixed(3, settings.seed);

/** Whether the draws of a try blow up: about one in nine, in every third edit. */
export const isFiniteTry = ({ settings }: EditSpec, attempts: number): boolean =>
  settings.seed % 3 !== 0 || mixed(5, settings.seed, attempts) % 9 !== 0;

/** Of a try that blows up, the draw whose loss shows it; -1 where only the sum of all does. */
const blownDraw = ({ settings }: EditSpec, attempts: number): number =>
  mixed(13, settings.seed, attempts) % (2 * settings.draws) < settings.draws
    ? mixed(14, settings.seed, attempts) % settings.draws
    : -1;

/** What a rank adds up of the draws of a try; null where the loss of one is not finite. */
export function sumOfRank(
  spec: EditSpec,
  { weights, attempts }: { readonly weights: number; readonly attempts: number },
  { rank, size }: { readonly rank: number; readonly size: number },
): number | null {
  const { draws } = spec.settings;
  const end = Math.floor(((rank + 1) * draws) / size);
  let sum = 0;
  for (let draw = Math.floor((rank * draws) / size); draw < end; draw += 1) {
    if (!isFiniteTry(spec, attempts) && draw === blownDraw(spec, attempts)) return null;
    sum = (sum + drawGradient(weights, attempts, draw)) >>> 0;
  }
  return sum;
}

type Toy = (...inputs: readonly number[]) => number;

/** Inputs: clip, which frame. */
export const momentsOf: Toy = (...inputs) => mixed(2, ...inputs);
/** Of one draw: inputs are the weights, how often draws were tried, and which draw it is. */
export const drawGradient: Toy = (...inputs) => mixed(4, ...inputs);
/** Inputs: weights, gradient. */
export const appliedWeights: Toy = (...inputs) => mixed(6, ...inputs);
/** Inputs: latents, delta. */
export const invertedAfter: Toy = (...inputs) => mixed(7, ...inputs);
/** Inputs: latents, which prompt; -1 is the branch without one. */
export const branchOf: Toy = (...inputs) => mixed(8, ...inputs);
/** Inputs: the branch with the prompt, and the other one where the edit is guided. */
export const guidedAfter: Toy = (...inputs) => mixed(12, ...inputs);
export const isGuided = ({ settings }: EditSpec): boolean => settings.guidance !== 1;
/** Inputs: latents, which frame. */
export const frameOf: Toy = (...inputs) => mixed(9, ...inputs);
export const publishedOf = (record: Pick<EditRecord, "artifacts">): number =>
  mixed(10, ...record.artifacts.frames.flat().map(Number));

/** What an undisturbed run gives. */
export interface Expected {
  /** After so many committed steps. */
  readonly weights: readonly number[];
  readonly gradients: readonly number[];
  /** Three tries in a row blow up: the edit fails. */
  readonly fails: boolean;
  readonly frames: readonly (readonly number[])[];
  readonly published: number;
}

/** The whole edit, computed at once. */
export function expectedOf(
  spec: EditSpec,
  { nonFiniteInRowMax }: { nonFiniteInRowMax: number },
): Expected {
  const weights = [startWeights(spec)];
  const gradients: number[] = [];
  let tries = 0;
  for (let step = 0; step < spec.settings.steps; step += 1) {
    let inRow = 0;
    while (!isFiniteTry(spec, tries)) {
      tries += 1;
      inRow += 1;
      if (inRow >= nonFiniteInRowMax) {
        return { weights, gradients, fails: true, frames: [], published: 0 };
      }
    }
    const before = weights[step] ?? 0;
    let gradient = 0;
    for (let draw = 0; draw < spec.settings.draws; draw += 1) {
      gradient = (gradient + drawGradient(before, tries, draw)) >>> 0;
    }
    gradients.push(gradient);
    weights.push(appliedWeights(before, gradient));
    tries += 1;
  }
  const delta = spec.settings.steps === 0 ? 0 : (weights.at(-1) ?? 0);
  const clip = clipOf(spec);
  const moments = Array.from({ length: spec.settings.frames }, (_, frame) =>
    momentsOf(clip, frame),
  );
  let inverted = joinedMoments([moments.join(",")]);
  for (let i = 0; i < iterationCount; i += 1) inverted = invertedAfter(inverted, delta);
  const frames = spec.prompts.map((_, promptIndex) => {
    let latents = inverted;
    for (let i = 0; i < iterationCount; i += 1) {
      const without = isGuided(spec) ? [branchOf(latents, -1)] : [];
      latents = guidedAfter(branchOf(latents, promptIndex), ...without);
    }
    return Array.from({ length: spec.settings.frames }, (_frame, frame) => frameOf(latents, frame));
  });
  const published = mixed(10, ...frames.flat());
  return { weights, gradients, fails: false, frames, published };
}
