import type { ModuleKind } from "@retake/model";

/** What a module is, by the last parts of its path in the checkpoint. */
const kinds: readonly (readonly [RegExp, ModuleKind])[] = [
  [/(^|\.)(conv_in|conv_out|conv|conv1|conv2|conv_shortcut|proj_in|proj_out)$/, "conv"],
  [/\.downsamplers\.\d+$/, "downsample"],
  [/\.upsamplers\.\d+$/, "upsample"],
  [/\.resnets\.\d+$/, "resnet"],
  [/(^|\.)conv_norm_out$|\.resnets\.\d+\.norm\d$/, "group-norm-over-frames"],
  [/\.attentions\.\d+\.norm$/, "group-norm-per-frame"],
  [/\.transformer_blocks\.\d+\.norm(\d|_temp)$/, "layer-norm"],
  [/\.attn1$/, "sparse-causal-attention"],
  [/\.attn2$/, "cross-attention"],
  [/\.ff$/, "feed-forward"],
  [/\.attn_temp$/, "temporal-attention"],
  [/\.transformer_blocks\.\d+$/, "transformer-block"],
  [/\.attentions\.\d+$/, "transformer-3d"],
  [/(^|\.)mid_block$/, "mid-block"],
  [/(^|\.)time_embedding$/, "time-embedding"],
];

/** The kind of the module at a path of the U-Net, if it is one that can be run alone. */
export function moduleKindOf(path: string): ModuleKind | undefined {
  return kinds.find(([pattern]) => pattern.test(path))?.[1];
}
