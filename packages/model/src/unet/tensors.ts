import type { WeightSpec } from "../program.js";
import type { UNetConfig } from "./config.js";

function norm(path: string, channels: number): WeightSpec[] {
  return [
    { name: `${path}.weight`, shape: [channels] },
    { name: `${path}.bias`, shape: [channels] },
  ];
}

function convolution(path: string, inner: number, out: number, kernel: number): WeightSpec[] {
  return [
    { name: `${path}.weight`, shape: [out, inner, kernel, kernel] },
    { name: `${path}.bias`, shape: [out] },
  ];
}

function linear(path: string, inner: number, out: number): WeightSpec[] {
  return [
    { name: `${path}.weight`, shape: [out, inner] },
    { name: `${path}.bias`, shape: [out] },
  ];
}

function attentionTensors(path: string, channels: number, context: number): WeightSpec[] {
  return [
    { name: `${path}.to_q.weight`, shape: [channels, channels] },
    { name: `${path}.to_k.weight`, shape: [channels, context] },
    { name: `${path}.to_v.weight`, shape: [channels, context] },
    ...linear(`${path}.to_out.0`, channels, channels),
  ];
}

function resnet(
  path: string,
  channels: { readonly inner: number; readonly out: number },
  embedding: number,
): WeightSpec[] {
  const { inner, out } = channels;
  return [
    ...norm(`${path}.norm1`, inner),
    ...convolution(`${path}.conv1`, inner, out, 3),
    ...linear(`${path}.time_emb_proj`, embedding, out),
    ...norm(`${path}.norm2`, out),
    ...convolution(`${path}.conv2`, out, out, 3),
    ...(inner === out ? [] : convolution(`${path}.conv_shortcut`, inner, out, 1)),
  ];
}

function transformer(path: string, channels: number, context: number): WeightSpec[] {
  const block = `${path}.transformer_blocks.0`;
  return [
    ...norm(`${path}.norm`, channels),
    ...convolution(`${path}.proj_in`, channels, channels, 1),
    ...attentionTensors(`${block}.attn1`, channels, channels),
    ...attentionTensors(`${block}.attn2`, channels, context),
    ...attentionTensors(`${block}.attn_temp`, channels, channels),
    ...linear(`${block}.ff.net.0.proj`, channels, 8 * channels),
    ...linear(`${block}.ff.net.2`, 4 * channels, channels),
    ...norm(`${block}.norm1`, channels),
    ...norm(`${block}.norm2`, channels),
    ...norm(`${block}.norm3`, channels),
    ...norm(`${block}.norm_temp`, channels),
    ...convolution(`${path}.proj_out`, channels, channels, 1),
  ];
}

function downTensors(config: UNetConfig, level: number): WeightSpec[] {
  const { blockOutChannels: channels, layersPerBlock, crossAttentionDim } = config;
  const path = `down_blocks.${level}`;
  const out = channels[level] ?? 0;
  const embedding = 4 * (channels[0] ?? 0);
  const tensors: WeightSpec[] = [];
  for (let layer = 0; layer < layersPerBlock; layer += 1) {
    const inner = layer === 0 ? (channels[level - 1] ?? channels[0] ?? 0) : out;
    tensors.push(...resnet(`${path}.resnets.${layer}`, { inner, out }, embedding));
    if (config.downAttention[level] === true) {
      tensors.push(...transformer(`${path}.attentions.${layer}`, out, crossAttentionDim));
    }
  }
  if (level < channels.length - 1) {
    tensors.push(...convolution(`${path}.downsamplers.0.conv`, out, out, 3));
  }
  return tensors;
}

function upTensors(config: UNetConfig, block: number): WeightSpec[] {
  const { layersPerBlock, crossAttentionDim } = config;
  const reversed = [...config.blockOutChannels].reverse();
  const path = `up_blocks.${block}`;
  const out = reversed[block] ?? 0;
  const before = reversed[block - 1] ?? out;
  const below = reversed[block + 1] ?? out;
  const embedding = 4 * (config.blockOutChannels[0] ?? 0);
  const tensors: WeightSpec[] = [];
  for (let layer = 0; layer <= layersPerBlock; layer += 1) {
    const skip = layer === layersPerBlock ? below : out;
    const inner = (layer === 0 ? before : out) + skip;
    tensors.push(...resnet(`${path}.resnets.${layer}`, { inner, out }, embedding));
    if (config.upAttention[block] === true) {
      tensors.push(...transformer(`${path}.attentions.${layer}`, out, crossAttentionDim));
    }
  }
  if (block < reversed.length - 1) {
    tensors.push(...convolution(`${path}.upsamplers.0.conv`, out, out, 3));
  }
  return tensors;
}

/** Every tensor of the 3D U-Net, by key and shape: the 2D checkpoint's, and the temporal ones. */
export function unetTensors(config: UNetConfig): WeightSpec[] {
  const { blockOutChannels: channels, inChannels, outChannels } = config;
  const first = channels[0] ?? 0;
  const last = channels.at(-1) ?? 0;
  const embedding = 4 * first;
  return [
    ...convolution("conv_in", inChannels, first, 3),
    ...linear("time_embedding.linear_1", first, embedding),
    ...linear("time_embedding.linear_2", embedding, embedding),
    ...channels.flatMap((_, level) => downTensors(config, level)),
    ...resnet("mid_block.resnets.0", { inner: last, out: last }, embedding),
    ...transformer("mid_block.attentions.0", last, config.crossAttentionDim),
    ...resnet("mid_block.resnets.1", { inner: last, out: last }, embedding),
    ...channels.flatMap((_, block) => upTensors(config, block)),
    ...norm("conv_norm_out", first),
    ...convolution("conv_out", first, outChannels, 3),
  ];
}

/** Whether a 2D checkpoint lacks the tensor: the temporal layers are new. */
export function isTemporal(name: string): boolean {
  return name.includes("_temp.");
}

/** The tensors that a program takes as inputs: what can be tuned, and the temporal norms. */
export function unetInputTensors(config: UNetConfig): WeightSpec[] {
  return unetTensors(config).filter(({ name }) => isInputTensor(name));
}

/** Whether a program takes the tensor as an input, instead of mapping it from the checkpoint. */
export function isInputTensor(name: string): boolean {
  return isTemporal(name) || /\.(attn1|attn2)\.to_q\./.test(name);
}

/** The tensors that a 2D checkpoint must have: all but the temporal ones. */
export function unetCheckpointTensors(config: UNetConfig): WeightSpec[] {
  return unetTensors(config).filter(({ name }) => !isTemporal(name));
}
