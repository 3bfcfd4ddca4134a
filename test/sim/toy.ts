import type { EditRecord, EditSpec } from "@retake/coordinator/job";
import { mixed } from "./random.js";

/** Toy mathematics with the shape of the real: every result depends on all that went before. */
export const iterationCount = 3;

const videoOf = ({ videoId }: EditSpec): number => Number(videoId);
export const clipOf = (spec: EditSpec): number => mixed(1, videoOf(spec));
export const momentsOf = (clip: number): number => mixed(2, clip);
export const startWeights = ({ settings }: EditSpec): number => mixed(3, settings.seed);

/** Of one draw: it depends on the weights, and on how often draws were tried. */
export const drawGradient = (weights: number, attempts: number, draw: number): number =>
  mixed(4, weights, attempts, draw);

/** Whether the draws of a try blow up: about one in nine, in every third edit. */
export const isFiniteTry = ({ settings }: EditSpec, attempts: number): boolean =>
  settings.seed % 3 !== 0 || mixed(5, settings.seed, attempts) % 9 !== 0;

export const appliedWeights = (weights: number, gradient: number): number =>
  mixed(6, weights, gradient);
export const invertedAfter = (latents: number, delta: number): number => mixed(7, latents, delta);
export const sampledAfter = (latents: number, promptIndex: number): number =>
  mixed(8, latents, promptIndex);
export const frameOf = (latents: number, frame: number): number => mixed(9, latents, frame);
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
  let inverted = momentsOf(clipOf(spec));
  for (let i = 0; i < iterationCount; i += 1) inverted = invertedAfter(inverted, delta);
  const frames = spec.prompts.map((_, promptIndex) => {
    let latents = inverted;
    for (let i = 0; i < iterationCount; i += 1) latents = sampledAfter(latents, promptIndex);
    return Array.from({ length: spec.settings.frames }, (_frame, frame) => frameOf(latents, frame));
  });
  const published = mixed(10, ...frames.flat());
  return { weights, gradients, fails: false, frames, published };
}
