import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeText } from "../testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { findWeightFiles, readShardIndex, weightFileNames } from "./weight-files.js";

/** A component's folder that holds empty files of these names. */
async function folderOf(component: string, names: readonly string[]): Promise<string> {
  const folder = join(await temporaryFolder(), component);
  for (const name of names) await writeText(join(folder, name), "");
  return folder;
}

const index = (weightMap: unknown) => JSON.stringify({ metadata: {}, weight_map: weightMap });

describe("weightFileNames", () => {
  it("puts full precision before half, and safetensors before torch", () => {
    expect(weightFileNames("unet")).toEqual([
      "diffusion_pytorch_model.safetensors",
      "diffusion_pytorch_model.safetensors.index.json",
      "diffusion_pytorch_model.fp16.safetensors",
      "diffusion_pytorch_model.safetensors.index.fp16.json",
      "diffusion_pytorch_model.fp16.safetensors.index.json",
      "diffusion_pytorch_model.bin",
      "diffusion_pytorch_model.bin.index.json",
      "diffusion_pytorch_model.fp16.bin",
      "diffusion_pytorch_model.bin.index.fp16.json",
      "diffusion_pytorch_model.fp16.bin.index.json",
    ]);
    expect(weightFileNames("text_encoder")).toContain("model.fp16.safetensors");
    expect(weightFileNames("text_encoder")).toContain("pytorch_model.bin");
  });
});

describe("findWeightFiles", () => {
  it.each(["unet", "text_encoder"])(
    "takes the best file of %s that is there",
    async (component) => {
      const names = weightFileNames(component).filter((name) => !name.endsWith(".json"));
      for (let from = 0; from < names.length; from++) {
        const found = await findWeightFiles(await folderOf(component, names.slice(from)));
        expect(found.files.map((path) => basename(path))).toEqual([names[from]]);
        expect(found.format).toBe(names[from]?.endsWith(".bin") ? "torch" : "safetensors");
      }
    },
  );

  it("takes the shards that an index names, in order", async () => {
    const folder = await folderOf("unet", ["b.safetensors", "a.safetensors"]);
    const path = join(folder, "diffusion_pytorch_model.safetensors.index.json");
    await writeFile(path, index({ x: "b.safetensors", y: "a.safetensors", z: "b.safetensors" }));
    const found = await findWeightFiles(folder);
    expect(found.files).toEqual([join(folder, "a.safetensors"), join(folder, "b.safetensors")]);
    expect(found.fileOfTensor?.get("z")).toBe("b.safetensors");
  });

  it("says which shard is missing, which file, or that the folder is", async () => {
    const folder = await folderOf("unet", ["other.txt"]);
    const none = await failureOf(() => findWeightFiles(folder));
    expect(none.reason).toBe("checkpoint-incomplete");
    expect(none.message).toContain("diffusion_pytorch_model.safetensors");

    const path = join(folder, "diffusion_pytorch_model.safetensors.index.json");
    await writeFile(path, index({ x: "a.safetensors" }));
    const shard = await failureOf(() => findWeightFiles(folder));
    expect(shard.reason).toBe("checkpoint-incomplete");
    expect(shard.message).toContain(join(folder, "a.safetensors"));

    const absent = await failureOf(() => findWeightFiles(join(folder, "vae")));
    expect(absent.reason).toBe("checkpoint-incomplete");
  });
});

describe("readShardIndex", () => {
  it.each([
    ["a path upwards", { x: "../../etc/passwd" }],
    ["an absolute path", { x: "/etc/passwd" }],
    ["a folder", { x: "a/b.safetensors" }],
    ["a Windows path", { x: "..\\b.safetensors" }],
    ["the folder above", { x: ".." }],
    ["an empty name", { x: "" }],
    ["a number", { x: 1 }],
    ["no map", null],
  ])("refuses %s", async (_, weightMap) => {
    const path = join(await temporaryFolder(), "index.json");
    await writeFile(path, index(weightMap));
    expect((await failureOf(() => readShardIndex(path))).reason).toBe("file-malformed");
  });
});
