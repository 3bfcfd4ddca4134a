import type { WeightSpec } from "../program.js";
import type { VaeConfig } from "./config.js";

function pair(path: string, weight: readonly number[]): WeightSpec[] {
  return [
    { name: `${path}.weight`, shape: weight },
    { name: `${path}.bias`, shape: [weight[0] ?? 0] },
  ];
}

function resnet(path: string, inner: number, out: number): WeightSpec[] {
  return [
    ...pair(`${path}.norm1`, [inner]),
    ...pair(`${path}.conv1`, [out, inner, 3, 3]),
    ...pair(`${path}.norm2`, [out]),
    ...pair(`${path}.conv2`, [out, out, 3, 3]),
    ...(inner === out ? [] : pair(`${path}.conv_shortcut`, [out, inner, 1, 1])),
  ];
}

function midBlock(path: string, channels: number): WeightSpec[] {
  const attention = `${path}.attentions.0`;
  return [
    ...resnet(`${path}.resnets.0`, channels, channels),
    ...pair(`${attention}.group_norm`, [channels]),
    ...["to_q", "to_k", "to_v", "to_out.0"].flatMap((name) =>
      pair(`${attention}.${name}`, [channels, channels]),
    ),
    ...resnet(`${path}.resnets.1`, channels, channels),
  ];
}

/** Tensors of the encoder side, by key and shape. */
export function vaeEncoderTensors(config: VaeConfig): WeightSpec[] {
  const { blockOutChannels: channels, latentChannels, layersPerBlock } = config;
  const last = channels.at(-1) ?? 0;
  const blocks = channels.flatMap((out, level) => {
    const path = `encoder.down_blocks.${level}`;
    const resnets = Array.from({ length: layersPerBlock }, (_, layer) => {
      const inner = layer === 0 ? (channels[level - 1] ?? channels[0] ?? 0) : out;
      return resnet(`${path}.resnets.${layer}`, inner, out);
    });
    const halve =
      level < channels.length - 1 ? pair(`${path}.downsamplers.0.conv`, [out, out, 3, 3]) : [];
    return [...resnets.flat(), ...halve];
  });
  return [
    ...pair("encoder.conv_in", [channels[0] ?? 0, config.inChannels, 3, 3]),
    ...blocks,
    ...midBlock("encoder.mid_block", last),
    ...pair("encoder.conv_norm_out", [last]),
    ...pair("encoder.conv_out", [2 * latentChannels, last, 3, 3]),
    ...pair("quant_conv", [2 * latentChannels, 2 * latentChannels, 1, 1]),
  ];
}

/** Tensors of the decoder side, by key and shape. */
export function vaeDecoderTensors(config: VaeConfig): WeightSpec[] {
  const { latentChannels, layersPerBlock } = config;
  const reversed = [...config.blockOutChannels].reverse();
  const first = reversed[0] ?? 0;
  const last = reversed.at(-1) ?? 0;
  const blocks = reversed.flatMap((out, block) => {
    const path = `decoder.up_blocks.${block}`;
    const resnets = Array.from({ length: layersPerBlock + 1 }, (_, layer) => {
      const inner = layer === 0 ? (reversed[block - 1] ?? first) : out;
      return resnet(`${path}.resnets.${layer}`, inner, out);
    });
    const grow =
      block < reversed.length - 1 ? pair(`${path}.upsamplers.0.conv`, [out, out, 3, 3]) : [];
    return [...resnets.flat(), ...grow];
  });
  return [
    ...pair("post_quant_conv", [latentChannels, latentChannels, 1, 1]),
    ...pair("decoder.conv_in", [first, latentChannels, 3, 3]),
    ...midBlock("decoder.mid_block", first),
    ...blocks,
    ...pair("decoder.conv_norm_out", [last]),
    ...pair("decoder.conv_out", [config.outChannels, last, 3, 3]),
  ];
}

/** Every tensor of the VAE. */
export function vaeTensors(config: VaeConfig): WeightSpec[] {
  return [...vaeEncoderTensors(config), ...vaeDecoderTensors(config)];
}
