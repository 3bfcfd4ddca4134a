import type { Program } from "@retake/model";
import { type VectorLayout, vectorLayout } from "@retake/model/tuning";
import * as tf from "@tensorflow/tfjs";
import { allColours, allPlaces, allSubjects } from "../world/vocabulary.js";

/** The questions that the classifier answers of a picture, and the answers to each, in order. */
export const questions = {
  subject: allSubjects,
  place: allPlaces,
  /** `own`: the subject's own colour. */
  colour: ["own", ...allColours],
} as const;
export type Question = keyof typeof questions;
export const questionNames = ["subject", "place", "colour"] as const;

/** Pixels to a side of the pictures that it reads. */
export const pictureSide = 64;

/** Channels after each layer. */
const widths = { patch: 32, near: 48, merged: 64, wide: 96, far: 96 } as const;
const patchSide = 4;
/** Ways to look at a picture: each a mean over its cells, by weights that are learnt. */
const lookCount = 3;
const summaryWidth = widths.far * lookCount;

/**
 * Weights of the classifier, channels last: a layer's rows are what it reads, its columns what it
 * gives, and a last row holds the bias.
 */
const layerShapes: Readonly<Record<string, readonly [number, number]>> = {
  patch: [patchSide * patchSide * 3 + 1, widths.patch],
  near: [9 * widths.patch + 1, widths.near],
  merged: [4 * widths.near + 1, widths.merged],
  wide: [9 * widths.merged + 1, widths.wide],
  far: [9 * widths.wide + 1, widths.far],
  looks: [widths.far + 1, lookCount],
  subject: [summaryWidth + 1, questions.subject.length],
  place: [summaryWidth + 1, questions.place.length],
  colour: [summaryWidth + 1, questions.colour.length],
};

/** How the weights make up one flat vector. */
export const classifierLayout: VectorLayout = vectorLayout(
  Object.entries(layerShapes).map(([name, shape]) => ({ name, shape })),
);

/**
 * The classifier, to be trained: mean cross-entropy of the three questions and its gradient.
 *
 * In: the weights by name; `pixels` `[pictures, 64, 64, 3]`, 0...1; `subject`, `place`, `colour`
 * `[pictures, answers]`, one 1 each. Out: `loss` []; `grad/NAME` for each weight.
 */
export function trainingProgram(pictures: number): Program {
  const weights = classifierLayout.entries;
  const answers = questionNames.map((name) => ({
    ...{ name: `is/${name}`, dtype: "float32" as const },
    shape: [pictures, questions[name].length],
  }));
  const names = weights.map(({ name }) => name);
  return {
    inputs: [pixelsSpec(pictures), ...answers, ...weightSpecs()],
    weights: [],
    outputs: [
      { name: "loss", shape: [], dtype: "float32" },
      ...weightSpecs().map(({ name, ...rest }) => ({ ...rest, name: `grad/${name}` })),
    ],
    call: ({ input }) => {
      const lossOf = (...values: tf.Tensor[]): tf.Scalar => {
        const at = new Map(names.map((name, index) => [name, values[index]]));
        const logits = logitsOf(input("pixels"), (name) => at.get(name) ?? tf.zeros([0]));
        return questionNames
          .map((name) => crossEntropy(logits[name], input(`is/${name}`)))
          .reduce((sum, loss) => tf.add(sum, loss));
      };
      const { value, grads } = tf.valueAndGrads(lossOf)(names.map((name) => input(name)));
      return {
        loss: value,
        ...Object.fromEntries(names.map((name, index) => [`grad/${name}`, at(grads, index)])),
      };
    },
  };
}

/** The classifier in use: out come `says/subject` and so on, `[pictures, answers]`, logits. */
export function classifyingProgram(pictures: number): Program {
  return {
    inputs: [pixelsSpec(pictures), ...weightSpecs()],
    weights: [],
    outputs: questionNames.map((name) => ({
      ...{ name: `says/${name}`, dtype: "float32" as const },
      shape: [pictures, questions[name].length],
    })),
    call: ({ input }) => {
      const logits = logitsOf(input("pixels"), input);
      return Object.fromEntries(questionNames.map((name) => [`says/${name}`, logits[name]]));
    },
  };
}

const pixelsSpec = (pictures: number) =>
  ({ name: "pixels", dtype: "float32", shape: [pictures, pictureSide, pictureSide, 3] }) as const;

const weightSpecs = () =>
  classifierLayout.entries.map(({ name, shape }) => ({ name, shape, dtype: "float32" as const }));

function at(tensors: readonly tf.Tensor[], index: number): tf.Tensor {
  const tensor = tensors[index];
  if (tensor === undefined) throw new Error(`gradients: expected one numbered ${index}`);
  return tensor;
}

/**
 * A small convnet: patches, neighbourhoods, patches again, neighbourhoods, and then means over all
 * cells by attention, so that a subject counts as much as the place around it.
 */
function logitsOf(
  pixels: tf.Tensor,
  weight: (name: string) => tf.Tensor,
): Readonly<Record<Question, tf.Tensor>> {
  const dense = (x: tf.Tensor, name: string): tf.Tensor => layer(x, weight(name));
  const patches = silu(dense(merged(tf.sub(pixels, 0.5), patchSide), "patch"));
  const near = silu(dense(neighbourhoods(patches), "near"));
  const half = silu(dense(merged(near, 2), "merged"));
  const wide = silu(dense(neighbourhoods(half), "wide"));
  const far = silu(dense(neighbourhoods(wide), "far"));
  const summary = looked(far, dense(far, "looks"));
  return {
    subject: dense(summary, "subject"),
    place: dense(summary, "place"),
    colour: dense(summary, "colour"),
  };
}

/**
 * What each look sees.
 *
 * @param x      `[pictures, height, width, channels]`
 * @param looks  `[pictures, height, width, lookCount]`: how much each cell draws a look to it
 * @returns      `[pictures, lookCount * channels]`
 */
function looked(x: tf.Tensor, looks: tf.Tensor): tf.Tensor {
  const [pictures = 1, height = 1, width = 1, channels = 1] = x.shape;
  const cells = tf.reshape(x, [pictures, height * width, channels]);
  const flat = tf.reshape(looks, [pictures, height * width, lookCount]);
  const shares = tf.softmax(tf.transpose(flat, [0, 2, 1]));
  return tf.reshape(tf.matMul(shares, cells), [pictures, lookCount * channels]);
}

/** @param x  `[..., channels]`; the weight's last row is the bias */
function layer(x: tf.Tensor, weight: tf.Tensor): tf.Tensor {
  const [rows = 1, columns = 1] = weight.shape;
  const kernel = tf.slice(weight, [0, 0], [rows - 1, columns]);
  const bias = tf.reshape(tf.slice(weight, [rows - 1, 0], [1, columns]), [columns]);
  const flat = tf.reshape(x, [-1, rows - 1]);
  const y = tf.add(tf.matMul(flat as tf.Tensor2D, kernel as tf.Tensor2D), bias);
  return tf.reshape(y, [...x.shape.slice(0, -1), columns]);
}

/** `[pictures, height, width, channels]` with squares of cells made one cell. */
function merged(x: tf.Tensor, side: number): tf.Tensor {
  const [pictures = 1, height = 1, width = 1, channels = 1] = x.shape;
  const cut = tf.reshape(x, [pictures, height / side, side, width / side, side * channels]);
  const turned = tf.transpose(cut, [0, 1, 3, 2, 4]);
  return tf.reshape(turned, [pictures, height / side, width / side, side * side * channels]);
}

/** Each cell with its eight neighbours, zeros around the picture: what a 3x3 convolution reads. */
function neighbourhoods(x: tf.Tensor): tf.Tensor {
  const [pictures = 1, height = 1, width = 1, channels = 1] = x.shape;
  const padded = tf.pad(x, [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  const offsets = [0, 1, 2].flatMap((down) => [0, 1, 2].map((right) => [down, right] as const));
  const views = offsets.map(([down, right]) =>
    tf.slice(padded, [0, down, right, 0], [pictures, height, width, channels]),
  );
  return tf.concat(views, 3);
}

const silu = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(x));

/** Mean over pictures of -log softmax at the right answer. The logits are small: no shift. */
function crossEntropy(logits: tf.Tensor, isAnswer: tf.Tensor): tf.Scalar {
  const right = tf.sum(tf.mul(logits, isAnswer), 1);
  const all = tf.log(tf.sum(tf.exp(logits), 1));
  return tf.mean(tf.sub(all, right)) as tf.Scalar;
}
