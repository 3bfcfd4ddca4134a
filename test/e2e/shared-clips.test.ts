import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { untimed } from "./manifest-file.js";
import {
  createWorkplace,
  demoModel,
  retake,
  sharedClips,
  tinyModel,
  videoFacts,
  type Workplace,
} from "./retake-process.js";

/** Clips of the method's authors: not part of this repository, so used where they are there. */
const clips = [
  { clip: "car-turn.mp4", model: demoModel, args: [], size: "64x64", rate: "10/1" },
  {
    ...{ clip: "man-skiing.mp4", model: tinyModel, size: "48x64", rate: "15000/1001" },
    args: ["--stride", "2", "--start", "3", "--size", "48x64", "--guidance", "7.5"],
  },
];

describe.each(clips)("retake edit of $clip", ({ clip, model, args, size, rate }) => {
  const path = join(sharedClips, clip);
  let workplace: Workplace;

  beforeAll(async () => {
    workplace = await createWorkplace();
  });
  afterAll(() => workplace.remove());

  it.skipIf(!existsSync(path))("gives a video of its frames, size and rate, twice", async () => {
    const out = join(workplace.path, "out");
    const end = await retake(workplace, [
      ...["edit", path, "--model", model, "--source", "a car", "--prompt", "a boat", ...args],
      ...["--steps", "2", "--ddim", "3", "--threads", "1", "--out", out],
    ]);
    expect([end.code, end.err]).toEqual([0, expect.stringContaining("done in")]);
    const [width, height] = size.split("x").map(Number);
    const facts = await videoFacts(join(out, "1-a-boat.mp4"));
    expect(facts).toMatchObject({ frames: 8, width, height, rate });
    const again = join(workplace.path, "again");
    const manifest = ["--manifest", join(out, "manifest.json"), "--no-cache"];
    const second = await retake(workplace, ["edit", ...manifest, "--out", again]);
    expect([second.code, second.err]).toEqual([0, expect.not.stringContaining("warning")]);
    expect(await untimed(again)).toEqual(await untimed(out));
  });
});
