import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { openSafetensors, readFloat32, writeSafetensors } from "@retake/checkpoint";
import { Dice } from "../world/dice.js";
import { type CompiledProgram, compileProgram } from "./compiled-program.js";
import {
  classifierLayout,
  classifyingProgram,
  pictureSide,
  type Question,
  questionNames,
  questions,
} from "./network.js";
import { answerOf, judgedPicture, namedWeights } from "./train-classifier.js";
import { worn } from "./worn-picture.js";

/** The weights that come along, from the repository's root: `bench:quality` has trained them. */
export const shippedClassifier = "models/demo/judge/classifier.safetensors";

/** What the classifier sees in a picture: which answer to each question, from 0. */
export type Verdict = Readonly<Record<Question, number>>;

/** Pictures in one pass: a clip of eight frames. */
const picturesPerPass = 8;

/** Answers the questions of `questions` about pictures. Closed by whoever opened it. */
export class Classifier {
  readonly #program: CompiledProgram;
  readonly #weights: Record<string, Float32Array>;

  private constructor(program: CompiledProgram, weights: Float32Array) {
    this.#program = program;
    this.#weights = namedWeights(weights);
  }

  static async open(
    weights: Float32Array,
    options: { readonly threads: number },
  ): Promise<Classifier> {
    return new Classifier(
      await compileProgram(classifyingProgram(picturesPerPass), options),
      weights,
    );
  }

  /** @param pictures  `[64, 64, 3]` each, float32, 0...1; any number of them */
  async verdicts(pictures: readonly Float32Array[]): Promise<readonly Verdict[]> {
    const size = pictureSide * pictureSide * 3;
    const found: Verdict[] = [];
    for (let first = 0; first < pictures.length; first += picturesPerPass) {
      const some = pictures.slice(first, first + picturesPerPass);
      const pixels = new Float32Array(picturesPerPass * size);
      for (const [index, picture] of some.entries()) pixels.set(picture, index * size);
      const read = await this.#program.run({ ...this.#weights, pixels });
      const logits = questionNames.map((name) => [name, read(`says/${name}`)] as const);
      found.push(...some.map((_, index) => verdictOf(logits, index)));
    }
    return found;
  }

  close(): Promise<void> {
    return this.#program.close();
  }
}

function verdictOf(
  logits: readonly (readonly [Question, Float32Array])[],
  picture: number,
): Verdict {
  const answer = (name: Question, values: Float32Array): number => {
    const count = questions[name].length;
    const row = values.subarray(picture * count, (picture + 1) * count);
    return row.indexOf(Math.max(...row));
  };
  const found = logits.map(([name, values]) => [name, answer(name, values)] as const);
  return Object.fromEntries(found) as Record<Question, number>;
}

/** Shares of pictures that the classifier was right about, on pictures that it has not seen. */
export interface Accuracy {
  readonly clean: Readonly<Record<Question, number>>;
  /** Of worn pictures. */
  readonly worn: Readonly<Record<Question, number>>;
}

/** @param options.seed  another than the training's */
export async function accuracyOf(
  classifier: Classifier,
  options: { readonly seed: number; readonly count: number },
): Promise<Accuracy> {
  const { seed, count } = options;
  const keys = Array.from({ length: count }, (_, index) => ({ seed, index }));
  const labelled = keys.map(judgedPicture);
  const share = async (
    change: (pixels: Float32Array, index: number) => Float32Array,
  ): Promise<Record<Question, number>> => {
    const pictures = labelled.map(({ pixels }, index) => change(pixels, index));
    const verdicts = await classifier.verdicts(pictures);
    const right = (name: Question): number =>
      labelled.filter(({ content }, index) => verdicts[index]?.[name] === answerOf(content, name))
        .length / count;
    return { subject: right("subject"), place: right("place"), colour: right("colour") };
  };
  return {
    clean: await share((pixels) => pixels),
    worn: await share((pixels, index) => worn(pixels, new Dice({ seed, index }, "wear"))),
  };
}

/** Writes the classifier's weights, so that training is needed once. */
export async function writeClassifier(path: string, weights: Float32Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeSafetensors(path, new Map([["weights", { shape: [weights.length], data: weights }]]));
}

/** What `writeClassifier` wrote; `undefined` where it is not there, or of another shape. */
export async function readClassifier(path: string): Promise<Float32Array | undefined> {
  const file = await openSafetensors(path).catch(() => undefined);
  const entry = file?.entries.get("weights");
  if (entry === undefined || entry.shape[0] !== classifierLayout.length) return undefined;
  return readFloat32(entry);
}
