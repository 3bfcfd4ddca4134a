import { type Program, type VaeConfig, vaeFactor } from "@retake/model";
import { vaeDecode, vaeDecoderTensors } from "@retake/model/network";
import { type VectorLayout, vectorLayout } from "@retake/model/tuning";
import * as tf from "@tensorflow/tfjs";
import { chances, extraNoiseOfItem, posteriorNoiseOfItem } from "./batch-chances.js";
import { forwardProgram, gradientProgram } from "./flat-program.js";
import { drawnLatents, meanOfLatents } from "./latent-items.js";
import { pictureLoss } from "./losses.js";
import { itemsOf, type PhaseGiven, type PhaseWork } from "./phase.js";
import { type Crop, cropOfItem, wholePicture, writeCrop } from "./picture-crops.js";
import { sourceOfItem } from "./picture-source.js";
import { networksOf, phaseSeed } from "./recipe.js";
import { encodedAtOnce } from "./vae-phase.js";

/** One step in so many is on whole pictures. */
const wholeOneIn = 5;

/** Up to this share of the latents' spread is added as noise: the U-Net's latents err, too. */
const extraNoiseMax = 0.03;

interface Sizes {
  readonly pictures: number;
  readonly side: number;
}

function specsOf(config: VaeConfig, { pictures, side }: Sizes) {
  const cells = side / vaeFactor(config);
  const shape = [pictures, config.latentChannels, cells, cells];
  return [
    { name: "latents", shape, dtype: "float32" },
    { name: "pixels", shape: [pictures, 3, side, side], dtype: "float32" },
  ] as const;
}

function decoderProgram(
  layout: VectorLayout,
  config: VaeConfig,
  sizes: Sizes & { readonly part: number },
): Program {
  return gradientProgram(layout, specsOf(config, sizes), ({ scope, input }) => {
    const pictures = vaeDecode(scope, input("latents"), config);
    return tf.mul(pictureLoss(pictures, input("pixels")), sizes.part);
  });
}

function errorProgram(layout: VectorLayout, config: VaeConfig, side: number): Program {
  const specs = specsOf(config, { pictures: encodedAtOnce, side });
  return forwardProgram(layout, specs, ({ scope, input }) => {
    const error = tf.sub(vaeDecode(scope, input("latents"), config), input("pixels"));
    return { error: tf.mean(tf.mul(error, error)) };
  });
}

/**
 * The last phase: the decoder goes on learning, the encoder stays, so that the U-Net's latents stay
 * what they are.
 */
export function decoderWork({ recipe, data, share }: PhaseGiven): PhaseWork {
  const { vae } = networksOf(recipe);
  const { scenes } = data;
  const factor = vaeFactor(vae);
  const layout = vectorLayout(vaeDecoderTensors(vae));
  const seed = phaseSeed(recipe, "decoder");
  const { batch } = recipe.phases.decoder;
  const items = { crops: batch, whole: batch / 2 } as const;
  const sides = { crops: recipe.cropSide, whole: recipe.side } as const;
  const programOf = (kind: "crops" | "whole") => (): Program =>
    decoderProgram(layout, vae, {
      ...{ pictures: items[kind] / share.count, side: sides[kind], part: 1 / share.count },
    });
  const latentsOf = ({ picture, left, top, side }: Crop) => ({
    picture,
    ...{ left: left / factor, top: top / factor, side: side / factor },
  });
  const geometry = { channels: vae.latentChannels, side: recipe.side / factor };
  const latentSpread = 1 / vae.scalingFactor;
  return {
    layout,
    programs: {
      crops: programOf("crops"),
      whole: programOf("whole"),
      error: () => errorProgram(layout, vae, recipe.side),
    },
    step: (step) => {
      const kind = step % wholeOneIn === wholeOneIn - 1 ? "whole" : "crops";
      const side = sides[kind];
      const mine = itemsOf(items[kind], share);
      const cells = vae.latentChannels * (side / factor) ** 2;
      const latents = new Float32Array(mine.length * cells);
      const pixels = new Float32Array(mine.length * 3 * side * side);
      for (const [at, item] of mine.entries()) {
        const key = { seed, step, item };
        const { set, latents: known } = sourceOfItem(key, { recipe, data });
        const crop = cropOfItem(key, set, { pictures: recipe.scenes, side, grid: factor });
        writeCrop(pixels, at, { set, crop });
        const drawn = drawnLatents(known, geometry, {
          crop: latentsOf(crop),
          noise: posteriorNoiseOfItem(key, cells),
        });
        const extra = extraNoiseMax * latentSpread * (chances(key, 5)[4] ?? 0);
        const noise = extraNoiseOfItem(key, cells);
        const noisy = drawn.map((value, i) => value + extra * (noise[i] ?? 0));
        latents.set(noisy, at * cells);
      }
      return { program: kind, inputs: { latents, pixels } };
    },
    validation: {
      error: () => {
        const cells = vae.latentChannels * geometry.side ** 2;
        const latents = new Float32Array(encodedAtOnce * cells);
        const pixels = new Float32Array(encodedAtOnce * 3 * recipe.side ** 2);
        for (let at = 0; at < encodedAtOnce; at += 1) {
          const picture = recipe.scenes + share.index * encodedAtOnce + at;
          latents.set(meanOfLatents(data.sceneLatents, { picture, cells }), at * cells);
          writeCrop(pixels, at, { set: scenes, crop: wholePicture(scenes, picture) });
        }
        return { program: "error", inputs: { latents, pixels } };
      },
    },
  };
}
