import { cp, mkdir, readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFloat32 } from "../safetensors/read.js";
import { writeSafetensors } from "../safetensors/write.js";
import {
  testData,
  textFile,
  unetFile,
  vaeFile,
  values,
  writeSmallCheckpoint,
} from "../testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { openCheckpointFolder } from "./open-checkpoint.js";

async function smallCheckpoint() {
  const folder = await temporaryFolder();
  const root = join(folder, "tiny");
  await writeSmallCheckpoint(root);
  return { root, open: () => openCheckpointFolder(root, { cacheDir: join(folder, "cache") }) };
}

describe("openCheckpointFolder", () => {
  it("gives configs, weights under today's names, tokenizer and card", async () => {
    const { root, open } = await smallCheckpoint();
    const { card, ...checkpoint } = await open();
    expect(checkpoint.name).toBe("tiny");
    expect(checkpoint.root).toBe(root);
    expect(checkpoint.configs.unet).toEqual({ layers_per_block: 2 });
    expect(checkpoint.configs.scheduler).toEqual({ beta_schedule: "scaled_linear" });
    expect([...checkpoint.weights.unet.keys()]).toEqual(["conv_in.bias"]);
    expect([...checkpoint.weights.vae.keys()]).toEqual([
      "decoder.mid_block.attentions.0.to_q.bias",
    ]);
    expect([...checkpoint.weights.textEncoder.keys()]).toEqual([
      "text_model.final_layer_norm.bias",
    ]);
    expect(checkpoint.tokenizerFolder).toBe(join(root, "tokenizer"));
    expect(card).toBeUndefined();
    await writeFile(join(root, "retake.json"), '{"guidance": 3.5}');
    expect((await open()).card).toEqual({ guidance: 3.5 });
  });

  it("hashes weights, configs and vocabulary, and not the card", async () => {
    const { root, open } = await smallCheckpoint();
    const { hash } = await open();
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    await writeFile(join(root, "retake.json"), "{}");
    await writeFile(join(root, "README.md"), "x");
    expect((await open()).hash).toBe(hash);

    const elsewhere = join(dirname(root), "moved");
    await cp(root, elsewhere, { recursive: true });
    expect((await openCheckpointFolder(elsewhere, { cacheDir: elsewhere })).hash).toBe(hash);

    for (const path of [unetFile, vaeFile, textFile]) {
      const before = await readFile(join(root, path));
      await writeSafetensors(join(root, path), new Map([["encoder.x", values(9)]]));
      expect((await open()).hash).not.toBe(hash);
      await writeFile(join(root, path), before);
    }
    await writeFile(join(root, "vae", "config.json"), "{}");
    expect((await open()).hash).not.toBe(hash);
  });

  it("opens shards behind symlinks, and names the tensor that a shard lacks", async () => {
    const { root, open } = await smallCheckpoint();
    await rm(join(root, unetFile));
    await mkdir(join(root, "blobs"));
    const index = join(root, "unet", "diffusion_pytorch_model.safetensors.index.json");
    const shards = { a: "one.safetensors", b: "two.safetensors" };
    for (const [tensor, shard] of Object.entries(shards)) {
      await writeSafetensors(join(root, "blobs", shard), new Map([[tensor, values(1)]]));
      await symlink(join("..", "blobs", shard), join(root, "unet", shard));
    }
    await writeFile(index, JSON.stringify({ weight_map: shards }));
    const { weights } = await open();
    expect([...weights.unet].map(([name, { file }]) => [name, file])).toEqual([
      ["a", join(root, "blobs", "one.safetensors")],
      ["b", join(root, "blobs", "two.safetensors")],
    ]);

    await writeFile(index, JSON.stringify({ weight_map: { ...shards, c: shards.a } }));
    const lacking = await failureOf(open);
    expect(lacking.reason).toBe("tensor-missing");
    expect(lacking.message).toContain("c: expected in one.safetensors");

    await writeSafetensors(join(root, "blobs", "two.safetensors"), new Map([["a", values(1)]]));
    await writeFile(index, JSON.stringify({ weight_map: shards }));
    expect((await failureOf(open)).reason).toBe("file-malformed");
  });

  it("opens what torch.save wrote through a copy in the cache", async () => {
    const { root, open } = await smallCheckpoint();
    await rm(join(root, unetFile));
    const bin = join(root, "unet", "diffusion_pytorch_model.bin");
    await cp(join(testData, "torch", "zip.bin"), bin);
    const { weights } = await open();
    const entry = weights.unet.get("bf16");
    expect(entry?.dtype).toBe("BF16");
    expect(entry && [...(await readFloat32(entry))]).toEqual([-2, -1, 0, 1, 2, 3]);
    expect([...weights.unet.keys()]).not.toContain("embeddings.position_ids");
  });

  it.each([
    "model_index.json",
    "unet/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "tokenizer",
    "vae",
    unetFile,
  ])("says that %s is missing", async (path) => {
    const { root, open } = await smallCheckpoint();
    await rename(join(root, path), join(root, "away"));
    const failure = await failureOf(open);
    expect(failure.reason).toBe("checkpoint-incomplete");
    expect(failure.message).toContain(join(root, path.split("/")[0] ?? ""));
  });

  it("refuses truncated weights, and does not fall back on another file", async () => {
    const { root, open } = await smallCheckpoint();
    await cp(join(root, unetFile), join(root, "unet/diffusion_pytorch_model.fp16.safetensors"));
    await truncate(join(root, unetFile), 100);
    expect((await failureOf(open)).reason).toBe("file-truncated");
  });

  it("refuses a config that is no JSON, a file, and a folder that is not there", async () => {
    const { root, open } = await smallCheckpoint();
    await writeFile(join(root, "vae", "config.json"), "{");
    expect((await failureOf(open)).reason).toBe("file-malformed");
    const options = { cacheDir: root };
    const file = await failureOf(() => openCheckpointFolder(join(root, unetFile), options));
    expect(file.reason).toBe("file-malformed");
    const absent = await failureOf(() => openCheckpointFolder(join(root, "no"), options));
    expect(absent.reason).toBe("file-not-found");
  });
});
