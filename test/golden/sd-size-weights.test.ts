import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFloat32 } from "@retake/checkpoint";
import { parseUNetConfig } from "@retake/model";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namedTensor, namedValues, nameSeed, openNamedWeights } from "./sd-size-weights.js";

describe("nameSeed", () => {
  it("is FNV-1a of the name", () => {
    expect(nameSeed("")).toBe(2166136261);
    expect(nameSeed("conv_in.weight")).toBe(2984744775);
  });
});

describe("namedValues", () => {
  const weight = { name: "conv_in.weight", shape: [320, 4, 3, 3] };

  it("gives the published first values", () => {
    expect(Array.from(namedValues(weight, { begin: 0, end: 2 }))).toEqual([
      -0.032248228788375854, -0.19560638070106506,
    ]);
    const norm = { name: "mid_block.resnets.0.norm1.weight", shape: [1280] };
    expect(namedValues(norm, { begin: 0, end: 1 })[0]).toBe(1.017686367034912);
    const bias = { name: "conv_out.bias", shape: [4] };
    expect(namedValues(bias, { begin: 0, end: 1 })[0]).toBe(-0.0391804501414299);
  });

  it("gives the same values from the middle as from the start", () => {
    const whole = namedTensor(weight.name, weight.shape).data;
    expect(namedValues(weight, { begin: 5000, end: 5003 })).toEqual(whole.slice(5000, 5003));
  });
});

describe("openNamedWeights", () => {
  const config = parseUNetConfig({
    block_out_channels: [8],
    attention_head_dim: 2,
    norm_num_groups: 4,
    cross_attention_dim: 4,
    down_block_types: ["DownBlock2D"],
    up_block_types: ["UpBlock2D"],
  });
  let cacheDir = "";
  beforeAll(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), "retake-named-"));
  });
  afterAll(() => rm(cacheDir, { recursive: true }));

  it("refuses values whose hash is another, and leaves no file", async () => {
    const opened = openNamedWeights(config, { cacheDir, expected: "0".repeat(64) });
    await expect(opened).rejects.toThrow(/expected the hash/);
    expect(await readdir(join(cacheDir, "golden"))).toEqual([]);
  });

  it("writes every tensor once the hash is right", async () => {
    const refused = await openNamedWeights(config, { cacheDir, expected: "x" }).then(
      () => "nothing was refused",
      (error: unknown) => (error instanceof Error ? error.message : ""),
    );
    const expected = /got ([0-9a-f]{64})/.exec(refused)?.[1] ?? "";
    const { entries } = await openNamedWeights(config, { cacheDir, expected });
    const entry = entries.get("conv_in.weight");
    if (entry === undefined) throw new Error("there is no conv_in.weight");
    expect(await readFloat32(entry)).toEqual(namedTensor("conv_in.weight", [8, 4, 3, 3]).data);
  });
});
