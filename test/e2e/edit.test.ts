import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readManifestFile, untimed } from "./manifest-file.js";
import {
  createWorkplace,
  demoClip,
  demoModel,
  leftovers,
  type ProcessEnd,
  retake,
  smallEdit,
  videoFacts,
  type Workplace,
} from "./retake-process.js";

const edits = ["1-a-horse-is-running-on-the-grass.mp4", "2-a-car-is-running-in-the-desert.mp4"];

describe("retake edit", () => {
  let workplace: Workplace;
  let first: ProcessEnd;
  let out: string;

  beforeAll(async () => {
    workplace = await createWorkplace();
    out = join(workplace.path, "first");
    first = await retake(workplace, [...smallEdit, "--out", out]);
  });
  afterAll(() => workplace.remove());

  it("writes one video per prompt, a poster, side by side, the delta and a manifest", async () => {
    expect([first.code, first.err]).toEqual([0, expect.stringContaining("done in")]);
    const names = [
      ...edits,
      "delta.safetensors",
      "manifest.json",
      "poster.png",
      "side-by-side.mp4",
    ];
    expect(await readdir(out)).toEqual(names);
    expect(first.out.trim().split("\n")).toEqual(names.map((name) => join(out, name)));
    expect(await leftovers(workplace)).toEqual([]);
  });

  it("gives the videos the clip's frames, size and rate", async () => {
    const facts = { frames: 4, width: 32, height: 32, rate: "8/1", hasAudio: false };
    for (const name of edits) expect(await videoFacts(join(out, name))).toEqual(facts);
    // Three tiles of 256 pixels and a gap of 8 between them; the labels stand above.
    const sideBySide = await videoFacts(join(out, "side-by-side.mp4"));
    expect(sideBySide).toMatchObject({ frames: 4, width: 3 * 256 + 2 * 8, rate: "8/1" });
  });

  it("names files by digest, phases by time, and every setting in the manifest", async () => {
    const { files, timings, settings } = await readManifestFile(out);
    expect(Object.keys(files)).toEqual((await readdir(out)).filter((n) => n !== "manifest.json"));
    const phases = ["model", "decode", "prompts", "encode", "tune", "invert", "sample", "frames"];
    expect(Object.keys(timings)).toEqual([...phases, "write"]);
    expect(settings).toMatchObject({
      steps: 4,
      rate: 2e-3,
      guidance: 3,
      strength: 0.76,
      seed: 33,
      size: "32x32",
    });
  });

  it("gives the same bits again, with nothing taken from the cache", async () => {
    const again = join(workplace.path, "again");
    const end = await retake(workplace, [...smallEdit, "--no-cache", "--out", again]);
    expect(end.code).toBe(0);
    const { timings } = await readManifestFile(again);
    expect(Object.values(timings).filter(({ reused }) => reused)).toEqual([]);
    expect(await untimed(again)).toEqual(await untimed(out));
  });

  it("gives the same bits again from the manifest", async () => {
    const again = join(workplace.path, "from-manifest");
    const manifest = join(out, "manifest.json");
    const args = ["edit", "--manifest", manifest, "--no-cache", "--out", again];
    const end = await retake(workplace, args);
    expect([end.code, end.err]).toEqual([0, expect.not.stringContaining("warning")]);
    expect(await untimed(again)).toEqual(await untimed(out));
  });

  it("takes what it has paid for from the cache, and says so", async () => {
    const again = join(workplace.path, "cached");
    const end = await retake(workplace, [...smallEdit, "--out", again, "--json"]);
    const result: unknown = JSON.parse(end.out);
    expect(result).toMatchObject({ command: "edit", out: again });
    const { timings } = await readManifestFile(again);
    const reused = Object.entries(timings).filter(([, time]) => time.reused);
    expect(reused.map(([phase]) => phase)).toEqual([
      ...["decode", "prompts", "encode", "tune", "invert"],
    ]);
    expect(await untimed(again)).toEqual(await untimed(out));
  });

  it("gives other bits with another seed", async () => {
    const other = join(workplace.path, "seed");
    const end = await retake(workplace, [...smallEdit, "--seed", "34", "--out", other]);
    expect(end.code).toBe(0);
    const [a, b] = [await readManifestFile(out), await readManifestFile(other)];
    expect(b.files["delta.safetensors"]).not.toEqual(a.files["delta.safetensors"]);
  });

  it("replaces an earlier result, and no other folder", async () => {
    const again = await retake(workplace, [...smallEdit, "--out", out, "--quiet"]);
    expect([again.code, again.err]).toEqual([0, ""]);
    const foreign = await retake(workplace, [...smallEdit, "--out", demoModel]);
    expect([foreign.code, foreign.err]).toEqual([2, expect.stringContaining("other files")]);
    await access(join(demoModel, "model_index.json"));
  });

  it("takes every setting, and keeps them for the next time", async () => {
    const other = join(workplace.path, "other");
    const settings = {
      ...{ stride: 2, start: "0.1s", fit: "letterbox", mode: "reference", draws: 3 },
      ...{ temporalStart: "authors", memory: "low", batch: 2, strength: 0.5, guidance: 1.5 },
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => [
      `--${name.replace("S", "-s")}`,
      String(value),
    ]);
    const negative = ["--negative", "blurry"];
    const args = [...smallEdit, "--frames", "3", ...flags, ...negative, "--out", other];
    const end = await retake(workplace, args);
    expect([end.code, end.err]).toEqual([0, expect.stringContaining("done in")]);
    expect(await untimed(other)).toMatchObject({ negative: "blurry", settings });
    expect(await videoFacts(join(other, edits[0] ?? ""))).toMatchObject({ frames: 3, rate: "4/1" });
  });

  it("predicts without doing anything", async () => {
    const folder = join(workplace.path, "dry");
    const end = await retake(workplace, [...smallEdit, "--out", folder, "--dry-run", "--json"]);
    const prediction: unknown = JSON.parse(end.out);
    expect(prediction).toMatchObject({ flops: expect.any(Number), seconds: expect.any(Number) });
    await expect(access(folder)).rejects.toThrow("ENOENT");
  });

  it("tunes, inverts and samples in parts to the same bits", async () => {
    const at = (name: string): string => join(workplace.path, name);
    const [, , ...rest] = smallEdit;
    const shared = [...["--model", demoModel, "--frames", "4", "--size", "32x32"], "--no-cache"];
    const tuning = ["--source", "a car is running on the grass", "--steps", "4", "--threads", "1"];
    const sampling = ["--ddim", "4", "--threads", "1"];
    const delta = at("tuned/delta.safetensors");
    const latents = at("inverted/inverted.safetensors");
    const prompts = rest.filter((text, i) => text === "--prompt" || rest[i - 1] === "--prompt");
    const runs = [
      ["tune", demoClip, ...shared, ...tuning, "--out", at("tuned")],
      ["invert", demoClip, ...shared, ...sampling, "--delta", delta, "--out", at("inverted")],
      [
        ...["sample", demoClip, ...shared, ...sampling, "--delta", delta, "--latents", latents],
        ...[...prompts, "--out", at("sampled")],
      ],
    ];
    for (const args of runs) {
      const end = await retake(workplace, args);
      expect([end.code, end.err]).toEqual([0, expect.stringContaining("done in")]);
    }
    for (const name of edits) {
      const same = (await readFile(join(out, name))).equals(await readFile(at(`sampled/${name}`)));
      expect([name, same]).toEqual([name, true]);
    }
    const tuned = await readFile(delta);
    expect(tuned.equals(await readFile(join(out, "delta.safetensors")))).toBe(true);
  });
});
