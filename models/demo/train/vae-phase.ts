import { type Program, type VaeConfig, vaeFactor, vaeTensors } from "@retake/model";
import { vaeDecode, vaeEncode } from "@retake/model/network";
import { type VectorLayout, vectorLayout } from "@retake/model/tuning";
import * as tf from "@tensorflow/tfjs";
import { posteriorNoiseOfItem } from "./batch-chances.js";
import { forwardProgram, gradientProgram } from "./flat-program.js";
import { divergenceLoss, pictureLoss } from "./losses.js";
import { itemsOf, type PhaseGiven, type PhaseWork, type ProgramCall } from "./phase.js";
import { cropOfItem, wholePicture, writeCrop } from "./picture-crops.js";
import { sourceOfItem } from "./picture-source.js";
import { networksOf, phaseSeed } from "./recipe.js";
import type { PictureSet } from "./training-data.js";

/** The share of steps on crops, which teach more in a second; then come whole pictures. */
const cropSteps = 0.78;

/** Pictures of one pass of the encoder in use. */
export const encodedAtOnce = 16;

function picturesSpec(name: string, pictures: number, side: number) {
  return { name, shape: [pictures, 3, side, side], dtype: "float32" } as const;
}

/**
 * Loss and gradient of the VAE, there and back through its posterior.
 *
 * @param of.part  the share of a batch that this is: losses of all parts add up
 */
export function vaeProgram(
  layout: VectorLayout,
  config: VaeConfig,
  of: { readonly pictures: number; readonly side: number; readonly part: number },
): Program {
  const { pictures, side, part } = of;
  const cells = side / vaeFactor(config);
  const noise = [pictures, config.latentChannels, cells, cells];
  const specs = [
    picturesSpec("pixels", pictures, side),
    { name: "noise", shape: noise, dtype: "float32" } as const,
  ];
  return gradientProgram(layout, specs, ({ scope, input }) => {
    const { mean, logvar } = vaeEncode(scope, input("pixels"), config);
    const spread = tf.mul(tf.exp(tf.mul(logvar, 0.5)), input("noise"));
    const pictures = vaeDecode(scope, tf.add(mean, spread), config);
    const loss = tf.add(pictureLoss(pictures, input("pixels")), divergenceLoss(mean, logvar));
    return tf.mul(loss, part);
  });
}

/** The encoder in use: `mean` and `logvar` of pictures. */
export function encodingProgram(layout: VectorLayout, config: VaeConfig, side: number): Program {
  return forwardProgram(layout, [picturesSpec("pixels", encodedAtOnce, side)], (from) => ({
    ...vaeEncode(from.scope, from.input("pixels"), config),
  }));
}

/** The mean square of the error of pictures that go there and back by the posterior's mean. */
function errorProgram(layout: VectorLayout, config: VaeConfig, side: number): Program {
  return forwardProgram(layout, [picturesSpec("pixels", encodedAtOnce, side)], (from) => {
    const pixels = from.input("pixels");
    const { mean } = vaeEncode(from.scope, pixels, config);
    const error = tf.sub(vaeDecode(from.scope, mean, config), pixels);
    return { error: tf.mean(tf.mul(error, error)) };
  });
}

/** The first phase: the VAE learns pictures, first by crops of them. */
export function vaeWork({ recipe, data, share }: PhaseGiven): PhaseWork {
  const { vae } = networksOf(recipe);
  const { side, cropSide } = recipe;
  const settings = recipe.phases.vae;
  const layout = vectorLayout(vaeTensors(vae));
  const factor = vaeFactor(vae);
  const seed = phaseSeed(recipe, "vae");
  const items = { crops: settings.batch, whole: settings.batch / 2 } as const;
  const sides = { crops: cropSide, whole: side } as const;
  const programOf = (kind: "crops" | "whole") => (): Program =>
    vaeProgram(layout, vae, {
      ...{ pictures: items[kind] / share.count, side: sides[kind], part: 1 / share.count },
    });
  const errorCall = (set: PictureSet | undefined) => (): ProgramCall => {
    if (set === undefined) throw new Error("validation: expected pictures by now");
    const pixels = new Float32Array(encodedAtOnce * 3 * side * side);
    for (let at = 0; at < encodedAtOnce; at += 1) {
      const picture = recipe.scenes + share.index * encodedAtOnce + at;
      writeCrop(pixels, at, { set, crop: wholePicture(set, picture) });
    }
    return { program: "error", inputs: { pixels } };
  };
  return {
    layout,
    programs: {
      crops: programOf("crops"),
      whole: programOf("whole"),
      error: () => errorProgram(layout, vae, side),
    },
    step: (step) => {
      const kind = step < cropSteps * settings.steps ? "crops" : "whole";
      const mine = itemsOf(items[kind], share);
      const cellsOfItem = vae.latentChannels * (sides[kind] / factor) ** 2;
      const pixels = new Float32Array(mine.length * 3 * sides[kind] ** 2);
      const noise = new Float32Array(mine.length * cellsOfItem);
      for (const [at, item] of mine.entries()) {
        const key = { seed, step, item };
        const options = { pictures: recipe.scenes, side: sides[kind], grid: 1 };
        const { set } = sourceOfItem(key, { recipe, data });
        const crop = cropOfItem(key, set, options);
        writeCrop(pixels, at, { set, crop });
        noise.set(posteriorNoiseOfItem(key, cellsOfItem), at * cellsOfItem);
      }
      return { program: kind, inputs: { pixels, noise } };
    },
    validation: {
      error: errorCall(data.scenes),
      recoloured: errorCall(data.recoloured),
    },
  };
}
