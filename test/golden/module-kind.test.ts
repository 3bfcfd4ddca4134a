import { describe, expect, it } from "vitest";
import { moduleKindOf } from "./module-kind.js";

const block = "down_blocks.1.attentions.0.transformer_blocks.0";

describe("moduleKindOf", () => {
  it.each([
    ["conv_in", "conv"],
    ["down_blocks.1.resnets.0.conv_shortcut", "conv"],
    ["down_blocks.0.downsamplers.0", "downsample"],
    ["up_blocks.2.upsamplers.0", "upsample"],
    ["up_blocks.3.resnets.0", "resnet"],
    ["conv_norm_out", "group-norm-over-frames"],
    ["down_blocks.0.attentions.0.norm", "group-norm-per-frame"],
    [`${block}.norm1`, "layer-norm"],
    [`${block}.norm_temp`, "layer-norm"],
    [`${block}.attn1`, "sparse-causal-attention"],
    [`${block}.attn2`, "cross-attention"],
    [`${block}.ff`, "feed-forward"],
    [`${block}.attn_temp`, "temporal-attention"],
    [block, "transformer-block"],
    ["up_blocks.3.attentions.1", "transformer-3d"],
    ["mid_block", "mid-block"],
    ["mid_block.resnets.0", "resnet"],
    ["time_embedding", "time-embedding"],
    ["unknown", undefined],
  ])("says what %s is", (path, kind) => {
    expect(moduleKindOf(path)).toBe(kind);
  });
});
