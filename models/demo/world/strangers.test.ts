import { describe, expect, it } from "vitest";
import { clip } from "./clip.js";
import { spriteOf } from "./sprites.js";
import { strangeClip, strangeIcons } from "./strangers.js";
import { isHeldOut, isUnseen, unseenColours, unseenPlaces, unseenSubjects } from "./vocabulary.js";

const size = { side: 64, frameCount: 2 };
const keys = Array.from({ length: 60 }, (_, index) => ({ seed: 4, index }));
const clips = keys.map((key) => ({ key, strange: strangeClip(key, size) }));

const unseenIn = ({ subject, place, colour }: (typeof clips)[number]["strange"]["content"]) => ({
  subject: unseenSubjects.some((name) => name === subject),
  place: unseenPlaces.some((name) => name === place),
  colour: unseenColours.some((name) => name === colour),
});

describe("strangeClip", () => {
  it("depends on the key alone", () => {
    for (const { key, strange } of clips.slice(0, 5)) {
      expect(strangeClip(key, size)).toEqual(strange);
    }
  });

  it("calls one part by a word of the unseen contents, and holds out what is held out", () => {
    const parts = clips.map(({ strange }) => {
      const names = Object.entries(unseenIn(strange.content)).filter(([, is]) => is);
      expect(names).toHaveLength(1);
      return names[0]?.[0];
    });
    expect(new Set(parts)).toEqual(new Set(["subject", "place", "colour"]));
    expect(clips.every(({ strange }) => isUnseen(strange.content))).toBe(true);
    expect(clips.some(({ strange }) => isHeldOut(strange.content))).toBe(false);
  });

  it("never draws what the word means, and draws the rest as it is", () => {
    for (const { key, strange } of clips) {
      const meant = clip(key, { ...size, content: strange.content });
      expect(strange.path).toEqual(meant.path);
      expect(strange.frames).not.toEqual(meant.frames);
      const isPlace = unseenIn(strange.content).place;
      expect([strange.caption, !isPlace]).toEqual([
        meant.caption,
        Buffer.from(strange.backdrop.buffer).equals(Buffer.from(meant.backdrop.buffer)),
      ]);
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
