import { describe, expect, it } from "vitest";
import { heldOutCases, unseenCases } from "../world/edits.js";
import { Classifier } from "./classifier.js";
import { clipOfCase, type JudgedClip } from "./judged-clips.js";
import { classifierLayout } from "./network.js";
import { type Score, scoreOf } from "./score.js";

const cases = [...heldOutCases(3, { count: 2 }), ...unseenCases(3, { count: 1 })];
const clips = cases.map((each) => clipOfCase("some", each));

/** The scores of every edit of the clips, by an untrained classifier: it decides three figures. */
async function scores(
  change: (clip: JudgedClip, pixels: Uint8Array) => Uint8Array,
): Promise<readonly Score[]> {
  const weights = new Float32Array(classifierLayout.length);
  const classifier = await Classifier.open(weights, { threads: 1 });
  const found: Score[] = [];
  for (const clip of clips) {
    for (const edit of clip.edits) {
      if (edit.truth === undefined) throw new Error("expected a truth of every edit");
      const frames = { ...edit.truth, pixels: change(clip, edit.truth.pixels) };
      found.push(await scoreOf(frames, { clip, edit, classifier }));
    }
  }
  await classifier.close();
  return found;
}

describe("scoreOf", () => {
  it("finds no fault with the truth", async () => {
    for (const score of await scores((_, pixels) => pixels)) {
      expect(score.motionPixels).toBeLessThanOrEqual(1);
      expect(score.truthDb).toBe(99);
      expect([null, 99]).toContain(score.backgroundDb);
      expect(score.flicker).toBe(0);
    }
  });

  it("measures what is wrong with every pixel", async () => {
    const darker = (_: JudgedClip, pixels: Uint8Array): Uint8Array =>
      pixels.map((byte) => (byte >= 10 ? byte - 10 : byte + 10));
    for (const score of await scores(darker)) {
      expect(score.truthDb).toBeCloseTo(20 * Math.log10(25.5), 5);
      expect(score.backgroundDb ?? score.truthDb).toBeCloseTo(20 * Math.log10(25.5), 5);
      expect(score.flicker).toBe(0);
    }
  });

  it("sees frames that are not as bright as the one before", async () => {
    const blinking = (_: JudgedClip, pixels: Uint8Array): Uint8Array =>
      pixels.map((byte, at) => {
        const isOdd = Math.floor(at / (64 * 64 * 3)) % 2 === 1;
        return isOdd ? Math.min(byte, 245) : Math.min(byte, 245) + 10;
      });
    for (const score of await scores(blinking)) expect(score.flicker).toBeCloseTo(10, 5);
  });

  it("measures how far the subject is from its track", async () => {
    const shifted = (_: JudgedClip, pixels: Uint8Array): Uint8Array =>
      pixels.map((_byte, at) => {
        const [x, rest] = [Math.floor(at / 3) % 64, at - (Math.floor(at / 3) % 64) * 3];
        return pixels[rest + Math.min(63, x + 6) * 3] ?? 0;
      });
    for (const score of await scores(shifted)) {
      expect(Math.abs(score.motionPixels - 6)).toBeLessThanOrEqual(1);
    }
  });
});
