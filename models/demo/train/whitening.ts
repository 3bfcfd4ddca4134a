import type { VaeConfig } from "@retake/model";
import { tensorsOfVector, type VectorLayout } from "@retake/model/tuning";
import type { LatentSet } from "./training-data.js";

/** Mean and spread of the latents of one channel. */
export interface ChannelMoments {
  readonly mean: number;
  readonly deviation: number;
}

/**
 * Mean and standard deviation of each channel over the posteriors' means.
 *
 * @param cells  latent cells of a picture, in one channel
 */
export function channelMoments(
  { mean }: LatentSet,
  of: { readonly channels: number; readonly cells: number },
): ChannelMoments[] {
  const { channels, cells } = of;
  return Array.from({ length: channels }, (_, channel) => {
    let [sum, squares, count] = [0, 0, 0];
    for (let map = channel; map * cells < mean.length; map += channels) {
      for (let i = map * cells; i < (map + 1) * cells; i += 1) {
        const value = mean[i] ?? 0;
        sum += value;
        squares += value * value;
        count += 1;
      }
    }
    const middle = sum / count;
    return { mean: middle, deviation: Math.sqrt(squares / count - middle * middle) };
  });
}

/** What `whiten` makes of latents that were encoded before; changed in place. */
export function whitenLatents(
  { mean, logVariance }: LatentSet,
  of: { readonly config: VaeConfig; readonly cells: number },
  moments: readonly ChannelMoments[],
): void {
  const { config, cells } = of;
  for (let map = 0; map * cells < mean.length; map += 1) {
    const moment = moments[map % moments.length];
    if (moment === undefined) throw new Error("whiten: expected moments of each channel");
    const k = 1 / (config.scalingFactor * moment.deviation);
    for (let i = map * cells; i < (map + 1) * cells; i += 1) {
      mean[i] = k * ((mean[i] ?? 0) - moment.mean);
      logVariance[i] = (logVariance[i] ?? 0) + 2 * Math.log(k);
    }
  }
}

/**
 * Bakes it into the VAE's weights that latents, times the scaling factor that pipelines have built
 * in, have mean 0 and variance 1 in every channel. What goes there and back stays the same.
 *
 * With k = 1 / (scalingFactor deviation): the last layer of the encoder gives (mean - m) k and
 * logvar + 2 ln k; the first layer of the decoder takes z / k + m.
 *
 * @param weights  the flat vector of all of the VAE's weights; changed in place
 */
export function whiten(
  { layout, weights }: { readonly layout: VectorLayout; readonly weights: Float32Array },
  config: VaeConfig,
  moments: readonly ChannelMoments[],
): void {
  const tensors = tensorsOfVector(layout, weights);
  const tensor = (name: string): Float32Array => {
    const values = tensors.get(name);
    if (values === undefined) throw new Error(`whiten: expected ${name} among the weights`);
    return values;
  };
  const channels = config.latentChannels;
  const [encoded, encodedBias] = [tensor("quant_conv.weight"), tensor("quant_conv.bias")];
  const [decoded, decodedBias] = [tensor("post_quant_conv.weight"), tensor("post_quant_conv.bias")];
  for (const [channel, { mean, deviation }] of moments.entries()) {
    const k = 1 / (config.scalingFactor * deviation);
    const width = 2 * channels;
    for (let i = channel * width; i < (channel + 1) * width; i += 1) {
      encoded[i] = k * (encoded[i] ?? 0);
    }
    encodedBias[channel] = k * ((encodedBias[channel] ?? 0) - mean);
    const ofVariance = channels + channel;
    encodedBias[ofVariance] = (encodedBias[ofVariance] ?? 0) + 2 * Math.log(k);
    for (let row = 0; row < channels; row += 1) {
      const at = row * channels + channel;
      decodedBias[row] = (decodedBias[row] ?? 0) + mean * (decoded[at] ?? 0);
      decoded[at] = (decoded[at] ?? 0) / k;
    }
  }
}
