import { readdir, readFile } from "node:fs/promises";
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
  type Workplace,
} from "./retake-process.js";

/** So large a rate ruins the network before its last step. */
const ruinousEdit = [...smallEdit, "--steps", "8", "--rate", "0.05", "--no-cache"];

describe("retake edit --stop auto", () => {
  let workplace: Workplace;
  let first: ProcessEnd;
  let out: string;

  beforeAll(async () => {
    workplace = await createWorkplace();
    out = join(workplace.path, "auto");
    first = await retake(workplace, [...ruinousEdit, "--stop", "auto", "--out", out]);
  });
  afterAll(() => workplace.remove());

  it("keeps the steps after which the clip came back best, and says so", async () => {
    expect([first.code, first.err]).toEqual([0, expect.stringMatching(/stop: step \d \(error/)]);
    const { stop, settings, timings } = await readManifestFile(out);
    if (stop === undefined) throw new Error("manifest: expected how the steps were chosen");
    expect(stop).toMatchObject({ rule: "reconstruction", stepsMax: 8, iterations: 4 });
    expect(stop.looks.map(({ step }) => step)).toEqual([0, 1, 2, 4, 8]);
    const least = Math.min(...stop.looks.map(({ error }) => error));
    expect(stop.looks.find(({ step }) => step === stop.step)?.error).toBe(least);
    expect([stop.step < 8, settings["steps"]]).toEqual([true, stop.step]);
    expect(Object.keys(timings)).toContain("stop");
    expect((await readdir(out)).filter((name) => name.startsWith("delta"))).toEqual([
      "delta.safetensors",
    ]);
    expect(await leftovers(workplace)).toEqual([]);
  });

  it("has the bits of as many --steps, also from its manifest", async () => {
    const { stop: _, ...result } = await untimed(out);
    const { settings } = await readManifestFile(out);
    const again = join(workplace.path, "steps");
    const counted = [...ruinousEdit, "--steps", String(settings["steps"]), "--out", again];
    expect((await retake(workplace, counted)).code).toBe(0);
    expect(await untimed(again)).toEqual(result);

    const remade = join(workplace.path, "from-manifest");
    const manifest = join(out, "manifest.json");
    const args = ["edit", "--manifest", manifest, "--no-cache", "--out", remade];
    expect((await retake(workplace, args)).code).toBe(0);
    expect(await untimed(remade)).toEqual(result);
  });
});

describe("retake tune --stop auto", () => {
  let workplace: Workplace;
  beforeAll(async () => {
    workplace = await createWorkplace();
  });
  afterAll(() => workplace.remove());

  it("chooses the same again, all of it from the cache", async () => {
    const tuning = [
      ...["tune", demoClip, "--model", demoModel, "--source", "a car is running on the grass"],
      ...["--frames", "2", "--size", "32x32", "--steps", "2", "--threads", "1"],
      ...["--stop", "auto"],
    ];
    const folders = ["first", "again"].map((name) => join(workplace.path, name));
    for (const out of folders) {
      const end = await retake(workplace, [...tuning, "--out", out]);
      expect([end.code, end.err]).toEqual([0, expect.stringContaining("done in")]);
    }
    const [one = "", other = ""] = folders;
    expect(await untimed(other)).toEqual(await untimed(one));
    const { timings } = await readManifestFile(other);
    expect([timings["tune"]?.reused, timings["stop"]?.reused]).toEqual([true, true]);
    const deltas = folders.map((out) => readFile(join(out, "delta.safetensors")));
    const [delta, same] = await Promise.all(deltas);
    expect(delta !== undefined && same?.equals(delta)).toBe(true);
  });
});
