import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, tensorsDigest } from "../e2e/cluster-process.js";
import { demoClip, retake, tinyModel } from "../e2e/retake-process.js";
import { editSettings } from "./cases.js";
import type { Expected } from "./run-case.js";

/** What one process makes of the edit, without any cluster: what every case must come to. */
export async function editAlone(folder: string): Promise<Expected> {
  const { frames, width, height, steps, draws, ddim, seed } = editSettings;
  const out = join(folder, "alone");
  const args = [
    ...["edit", demoClip, "--model", tinyModel, "--threads", "1", "--out", out],
    ...["--source", "a car is running on the grass"],
    ...["--prompt", "a horse is running on the grass", "--frames", `${frames}`],
    ...["--size", `${width}x${height}`, "--steps", `${steps}`, "--draws", `${draws}`],
    ...["--ddim", `${ddim}`, "--seed", `${seed}`],
  ];
  const place = {
    ...{ path: folder, cacheDir: join(folder, "cache"), temporaryDir: folder },
    remove: async () => undefined,
  };
  const { code, err } = await retake(place, args);
  if (code !== 0) throw new Error(`retake edit ended with ${code}: ${err}`);
  const files: Record<string, string> = {};
  for (const name of await readdir(out)) {
    if (/\.(mp4|png)$/.test(name)) files[name] = await digestOf(join(out, name));
  }
  const delta = await tensorsDigest(join(out, "delta.safetensors"));
  return { delta, files, hashes: new Map() };
}
