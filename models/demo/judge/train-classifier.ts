import { Purpose, randomNormals, tensorStream } from "@retake/model/random";
import {
  applyAdamW,
  clipFactor,
  initialTuningState,
  paperAdamW,
  tensorsOfVector,
  vectorNorm,
} from "@retake/model/tuning";
import { Dice } from "../world/dice.js";
import { scene } from "../world/scene.js";
import {
  allColours,
  allPlaces,
  allSubjects,
  type Content,
  isClashing,
  verbs,
} from "../world/vocabulary.js";
import { compileProgram } from "./compiled-program.js";
import {
  classifierLayout,
  pictureSide,
  questionNames,
  questions,
  trainingProgram,
} from "./network.js";
import { worn } from "./worn-picture.js";

export interface ClassifierTraining {
  readonly seed: number;
  readonly steps: number;
  readonly threads: number;
  readonly onStep?: (step: number, loss: number) => void;
}

const picturesPerStep = 32;
const learningRate = 2e-3;
const warmUpSteps = 50;
const gradientNormMax = 1;

/** A picture to judge, and what it shows. */
export interface LabelledPicture {
  /** `[64, 64, 3]`, float32, 0...1. */
  readonly pixels: Float32Array;
  readonly content: Content;
}

/**
 * A picture of anything in the world: unseen and held-out content too, since the judge must know
 * what the model need not.
 */
export function judgedPicture(key: {
  readonly seed: number;
  readonly index: number;
}): LabelledPicture {
  const dice = new Dice(key, "judged");
  for (;;) {
    const content: Content = {
      subject: dice.pick(allSubjects),
      verb: dice.pick(verbs),
      place: dice.pick(allPlaces),
      colour: dice.between([0, 1]) < 0.5 ? dice.pick(allColours) : null,
    };
    if (!isClashing(content)) return { content, pixels: scene(key, { content }).pixels };
  }
}

/** Which of a question's answers is right, from 0. */
export function answerOf(content: Content, question: (typeof questionNames)[number]): number {
  const answer = question === "colour" ? (content.colour ?? "own") : content[question];
  return (questions[question] as readonly string[]).indexOf(answer);
}

/**
 * Trains the classifier from nothing on pictures of the world, worn as a small VAE and a small
 * U-Net wear them: blurred, noisy, off in colour.
 *
 * @returns  the weights, in the order of `classifierLayout`
 */
export async function trainClassifier(training: ClassifierTraining): Promise<Float32Array> {
  const { seed, steps, threads } = training;
  const program = await compileProgram(trainingProgram(picturesPerStep), { threads });
  const state = initialTuningState(initialWeights(seed));
  const gradient = new Float32Array(classifierLayout.length);
  for (let step = 0; step < steps; step += 1) {
    const read = await program.run({
      ...namedWeights(state.weights),
      ...batchOf(seed, step * picturesPerStep),
    });
    for (const { name, begin } of classifierLayout.entries)
      gradient.set(read(`grad/${name}`), begin);
    const norm = vectorNorm(gradient);
    const rate = learningRate * Math.min(1, (step + 1) / warmUpSteps) * (1 - step / steps);
    applyAdamW(
      state,
      { gradient, clipFactor: clipFactor(norm, { normMax: gradientNormMax }), step },
      { ...paperAdamW, learningRate: rate },
    );
    training.onStep?.(step, read("loss")[0] ?? Number.NaN);
  }
  await program.close();
  return state.weights;
}

/** Weights by name, as programs take them. */
export function namedWeights(weights: Float32Array): Record<string, Float32Array> {
  return Object.fromEntries(tensorsOfVector(classifierLayout, weights));
}

/** Normal, by the root of what a layer reads; biases, the last rows, are zero. */
function initialWeights(seed: number): Float32Array {
  const weights = new Float32Array(classifierLayout.length);
  for (const { name, shape, begin } of classifierLayout.entries) {
    const [rows = 1, columns = 1] = shape;
    const stream = tensorStream({ seed, purpose: Purpose.StartNoise, name: `judge/${name}` });
    const normals = randomNormals(stream, (rows - 1) * columns);
    const spread = 1.4 / Math.sqrt(rows - 1);
    for (const [at, normal] of normals.entries()) weights[begin + at] = normal * spread;
  }
  return weights;
}

function batchOf(seed: number, first: number): Record<string, Float32Array> {
  const pictureSize = pictureSide * pictureSide * 3;
  const pixels = new Float32Array(picturesPerStep * pictureSize);
  const answers = Object.fromEntries(
    questionNames.map((name) => [
      `is/${name}`,
      new Float32Array(picturesPerStep * questions[name].length),
    ]),
  );
  for (let picture = 0; picture < picturesPerStep; picture += 1) {
    const key = { seed, index: first + picture };
    const { content, pixels: drawn } = judgedPicture(key);
    pixels.set(worn(drawn, new Dice(key, "wear")), picture * pictureSize);
    for (const name of questionNames) {
      const row = picture * questions[name].length;
      const list = answers[`is/${name}`];
      if (list !== undefined) list[row + answerOf(content, name)] = 1;
    }
  }
  return { pixels, ...answers };
}
