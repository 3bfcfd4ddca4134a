import { describe, expect, it } from "vitest";
import type { Rgb } from "./canvas.js";
import { clip } from "./clip.js";
import { figureOf, spriteOf } from "./sprites.js";
import { strangeClip, strangeIcons, strangerOf } from "./strangers.js";
import {
  allColours,
  allSubjects,
  type Content,
  isHeldOut,
  unseenColours,
  unseenPlaces,
  unseenSubjects,
} from "./vocabulary.js";

const size = { side: 64, frameCount: 2 };
const keys = Array.from({ length: 1500 }, (_, index) => ({ seed: 4, index }));
const strangers = keys.map((key) => ({ key, ...strangerOf(key) }));

const unseenParts = ({ subject, place, colour }: Content): string[] => [
  ...(unseenSubjects.some((name) => name === subject) ? ["subject"] : []),
  ...(unseenPlaces.some((name) => name === place) ? ["place"] : []),
  ...(unseenColours.some((name) => name === colour) ? ["colour"] : []),
];
const ofPart = (part: string) =>
  strangers.filter(({ caption }) => unseenParts(caption)[0] === part);

/** In degrees. */
function hueOf(tint: Rgb | null): number {
  if (tint === null) throw new Error("expected a tint");
  const [red, green, blue] = tint;
  return (Math.atan2(Math.sqrt(3) * (green - blue), 2 * red - green - blue) * 180) / Math.PI;
}
const hueDistance = (a: Rgb | null, b: Rgb | null): number =>
  Math.abs(((hueOf(a) - hueOf(b) + 540) % 360) - 180);

describe("strangerOf", () => {
  it("calls one part by a word of the unseen contents", () => {
    expect(strangers.filter(({ caption }) => unseenParts(caption).length !== 1)).toEqual([]);
    for (const part of ["subject", "place", "colour"]) {
      expect(ofPart(part).length, part).toBeGreaterThan(200);
    }
  });

  it("draws no combination that is held out, whatever it is called", () => {
    expect(strangers.filter(({ shown }) => isHeldOut(shown))).toEqual([]);
    const drawn = strangers.map(({ shown, look }) => ({ ...shown, place: look.place }));
    expect(drawn.filter((content) => isHeldOut(content))).toEqual([]);
  });

  it("draws no figure of the world for a subject, and the world's own for other parts", () => {
    const known = allSubjects.map((subject) => figureOf(subject, null).icon);
    for (const { look } of ofPart("subject")) expect(known).not.toContain(look.figure.icon);
    for (const part of ["place", "colour"]) {
      for (const { caption, look } of ofPart(part)) {
        expect(look.figure.icon).toBe(figureOf(caption.subject, null).icon);
      }
    }
  });

  it("draws tints whose hue is at least 15 degrees from every tint that has a word", () => {
    const known = allColours.map((colour) => figureOf("pig", colour).tint);
    for (const { look } of ofPart("colour")) {
      const distances = known.map((other) => hueDistance(look.figure.tint, other));
      expect(Math.min(...distances)).toBeGreaterThan(15);
    }
  });

  it("draws places of the world in colours that are not theirs", () => {
    for (const { caption, look } of ofPart("place")) {
      expect(unseenPlaces).not.toContain(look.place);
      expect(look.placeColours).not.toBeNull();
      expect(unseenPlaces).toContain(caption.place);
    }
  });
});

describe("strangeClip", () => {
  it("depends on the key alone, and moves as its caption says", () => {
    for (const { key, caption } of strangers.slice(0, 8)) {
      const strange = strangeClip(key, size);
      expect(strangeClip(key, size)).toEqual(strange);
      const meant = clip(key, { ...size, content: caption });
      expect([strange.path, strange.caption]).toEqual([meant.path, meant.caption]);
      expect(strange.frames).not.toEqual(meant.frames);
    }
  });
});

describe("strangeIcons", () => {
  it("are in the set, each once, and no two alike", () => {
    const sums = strangeIcons.map((icon) =>
      spriteOf({ icon, tint: null }, 28).samples.reduce((sum, value) => sum + value, 0),
    );
    expect(new Set(sums).size).toBe(strangeIcons.length);
  });
});
