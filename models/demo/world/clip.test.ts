import { describe, expect, it } from "vitest";
import { clip } from "./clip.js";
import { verbs } from "./vocabulary.js";

const key = { seed: 5, index: 11 };
const content = { subject: "cat", colour: null, verb: "jumping", place: "beach" } as const;

describe("clip", () => {
  it("shows the same place in all frames, but for the subject and its shadow", () => {
    const { frames, masks, backdrop, boxes, path } = clip(key, { content });
    const shadowTop = path.groundY - 2;
    for (const [index, frame] of frames.entries()) {
      const box = boxes[index];
      const mask = masks[index];
      if (box === undefined || mask === undefined) throw new Error("expected one of each a frame");
      let coveredOutside = 0;
      for (const [at, share] of mask.entries()) {
        const [x, y] = [at % 64, Math.floor(at / 64)];
        const inBox = x >= box.left && x < box.left + 28 && y >= box.top && y < box.top + 28;
        if (!inBox) coveredOutside += share;
        if (share > 0 || (y >= shadowTop && y < shadowTop + 4)) continue;
        const [from, to] = [at * 3, at * 3 + 3];
        expect(frame.slice(from, to)).toEqual(backdrop.slice(from, to));
      }
      expect(coveredOutside).toBe(0);
      expect(mask.reduce((sum, share) => sum + share, 0)).toBeGreaterThan(100);
    }
  });

  it("keeps path and place when the subject is another", () => {
    const source = clip(key, { content });
    const truth = clip(key, { content: { ...content, subject: "horse" } });
    expect(truth.path).toEqual(source.path);
    expect(truth.backdrop).toEqual(source.backdrop);
    expect(truth.frames).not.toEqual(source.frames);
  });

  it("moves to the left and never up and down alike for two verbs", () => {
    const heights = verbs.map((verb) => {
      const { path } = clip(key, { content: { ...content, verb } });
      for (const [index, { x }] of path.positions.entries()) {
        expect(x).toBeLessThanOrEqual(path.positions[index - 1]?.x ?? 64);
      }
      return path.positions.map(({ y }) => path.groundY - y).join();
    });
    expect(new Set(heights).size).toBe(verbs.length);
  });
});
