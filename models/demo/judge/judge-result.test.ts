import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Classifier, readClassifier, shippedClassifier } from "./classifier.js";
import { judgeResult } from "./judge-result.js";

const clips = "models/demo/clips";
const prompts = ["a horse is running on the grass", "a car is running in the desert", "a wizard"];

let folder = "";
let classifier: Classifier;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "retake-judged-"));
  const weights = await readClassifier(shippedClassifier);
  if (weights === undefined) throw new Error("expected the classifier's weights");
  classifier = await Classifier.open(weights, { threads: 1 });
});
afterAll(async () => {
  await classifier.close();
  await rm(folder, { recursive: true });
});

/** A result whose edits are these videos. */
async function result(...names: readonly string[]): Promise<string> {
  const path = join(folder, names.join("-"));
  for (const [index, name] of names.entries()) {
    await cp(join(clips, name), join(path, `${index + 1}-edit.mp4`));
  }
  const manifest = { prompts, clip: { path: join(clips, "car-running-grass.mp4") } };
  await writeFile(join(path, "manifest.json"), JSON.stringify(manifest));
  return path;
}

describe("judgeResult", () => {
  it("finds nothing wrong with the truth, and leaves out what it cannot know", async () => {
    const truth = ["subject", "place"].map((kind) => `car-running-grass__truth_${kind}.mp4`);
    const judged = await judgeResult(await result(...truth), classifier);
    expect(judged.map(({ prompt }) => prompt)).toEqual(prompts.slice(0, 2));
    for (const { score } of judged) {
      expect(score).toMatchObject({ subject: 1, place: 1, colour: 1, motionPixels: 0 });
      expect(score.truthDb ?? 0).toBeGreaterThan(30);
    }
  });

  it("says that the source is no edit", async () => {
    const source = "car-running-grass.mp4";
    const [subject, place] = await judgeResult(await result(source, source), classifier);
    expect([subject?.score.subject, subject?.score.place]).toEqual([0, 1]);
    expect([place?.score.subject, place?.score.place]).toEqual([1, 0]);
  });
});
