import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Result, Results } from "./results.js";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "retake-results-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const result = (seed: number): Result => ({
  ...{ model: "m", method: "tuned", set: "held-out", clip: "c", kind: "place", seed },
  ...{ settings: "s", steps: 40, keepsUnseen: false },
  score: {
    ...{ subject: 1, place: 1, colour: 1, motionPixels: 0, backgroundDb: null, truthDb: 30 },
    flicker: 0,
  },
});

describe("Results", () => {
  it("knows in the next run what was added in this one", async () => {
    const path = join(folder, "below", "results.jsonl");
    const first = await Results.open(path);
    await first.add(result(1));
    await first.add(result(2));
    const second = await Results.open(path);
    expect(second.all()).toEqual([result(1), result(2)]);
    const others = [result(3), { ...result(2), settings: "others" }];
    expect([result(2), ...others].map((each) => second.has(each))).toEqual([true, false, false]);
  });

  it("leaves out the half line of a run that was stopped", async () => {
    const path = join(folder, "results.jsonl");
    await (await Results.open(path)).add(result(1));
    await appendFile(path, JSON.stringify(result(2)).slice(0, 40));
    const next = await Results.open(path);
    expect(next.all()).toEqual([result(1)]);
    await next.add(result(3));
    expect((await Results.open(path)).all()).toEqual([result(1), result(3)]);
  });
});
