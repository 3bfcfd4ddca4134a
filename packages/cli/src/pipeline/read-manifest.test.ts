import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeManifest } from "@retake/coordinator/result";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import { readManifest } from "./read-manifest.js";

const about: Parameters<typeof writeManifest>[1] = {
  ...{ command: "edit", source: "a car", prompts: ["a horse"], negative: "" },
  settings: {
    ...{ frames: 8, stride: 1, start: "0", size: "64x64", fit: "crop", steps: 3, rate: 0.1 },
    ...{ draws: 1, mode: "paper", temporalStart: "no-op", memory: "fast", ddim: 4 },
    ...{ guidance: 4, strength: 1, seed: 3, engine: "onnx-cpu", threads: 2, batch: 1 },
  },
  clip: {
    ...{ path: "/c.mp4", sha256: "c1", hash: "c2", rate: "8/1", startS: 0, durationS: 1 },
  },
  model: { source: "a/b", revision: "main", name: "a/b", hash: "d00d" },
  ...{ given: {}, numericsId: "n", versions: { node: "20" }, tuning: null },
  timings: { tune: { seconds: 1, reused: false } },
};

describe("readManifest", () => {
  it("reads what is needed to make a result again", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "x.mp4"), "abc");
    const { files } = await writeManifest(folder, about);
    expect(files["x.mp4"]?.bytes).toBe(3);
    expect(await readManifest(join(folder, "manifest.json"))).toEqual({
      ...{ source: "a car", prompts: ["a horse"], negative: "", settings: about.settings },
      clip: { path: "/c.mp4", sha256: "c1" },
      model: { source: "a/b", revision: "main", hash: "d00d" },
      numericsId: "n",
    });
  });

  it("refuses what is no manifest of an edit", async () => {
    const path = join(await temporaryFolder(), "manifest.json");
    const manifest = { format: "retake-manifest", version: 1, ...about };
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [{ ...manifest, format: "other" }, /retake-manifest of version 1/],
      [{ ...manifest, version: 2 }, /version 1/],
      [{ ...manifest, command: "tune" }, /manifest of an edit/],
      [{ ...manifest, source: null }, /a text under source/],
      [{ ...manifest, prompts: "a" }, /a list under prompts/],
      [{ ...manifest, prompts: [3] }, /a text under prompts/],
      [{ ...manifest, clip: null }, /clip.path/],
      [{ ...manifest, settings: { stepz: 3 } }, /"stepz"/],
      [null, /retake-manifest/],
    ];
    for (const [content, says] of wrong) {
      await writeFile(path, JSON.stringify(content));
      await expect(readManifest(path)).rejects.toThrow(says);
    }
    await writeFile(path, "no JSON");
    await expect(readManifest(path)).rejects.toMatchObject({ reason: "file-malformed" });
    const none = readManifest(`${path}.none`);
    await expect(none).rejects.toMatchObject({ reason: "file-not-found" });
  });
});
