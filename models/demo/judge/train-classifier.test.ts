import { describe, expect, it } from "vitest";
import { answerOf, judgedPicture, trainClassifier } from "./train-classifier.js";

describe("trainClassifier", () => {
  it("learns: its loss falls within a few steps, the same each time", async () => {
    const losses = async (): Promise<number[]> => {
      const seen: number[] = [];
      const onStep = (_: number, loss: number): void => void seen.push(loss);
      await trainClassifier({ seed: 5, steps: 12, threads: 1, onStep });
      return seen;
    };
    const first = await losses();
    expect(first.slice(-3).every((loss) => loss < Math.min(...first.slice(0, 2)))).toBe(true);
    expect(await losses()).toEqual(first);
  });
});

describe("judgedPicture", () => {
  it("shows everything that there is to tell apart", () => {
    const pictures = Array.from({ length: 300 }, (_, index) => judgedPicture({ seed: 4, index }));
    const answers = (question: "subject" | "place" | "colour"): number =>
      new Set(pictures.map(({ content }) => answerOf(content, question))).size;
    expect([answers("subject"), answers("place"), answers("colour")]).toEqual([12, 7, 6]);
  });
});
