import { describe, expect, it } from "vitest";
import {
  allColours,
  allPlaces,
  allSubjects,
  type Content,
  captionOf,
  contentOf,
  isClashing,
  isHeldOut,
  places,
  subjects,
  unseenSubjects,
  verbs,
  words,
} from "./vocabulary.js";

const everything: readonly Content[] = allSubjects.flatMap((subject) =>
  [null, ...allColours].flatMap((colour) =>
    verbs.flatMap((verb) => allPlaces.map((place) => ({ subject, colour, verb, place }))),
  ),
);
const seen = everything.filter(
  ({ subject, colour, place }) =>
    colour === null && subjects.some((s) => s === subject) && places.some((p) => p === place),
);

describe("captionOf", () => {
  it("says all there is, so that the content can be read back", () => {
    for (const content of everything) expect(contentOf(captionOf(content))).toEqual(content);
  });

  it("uses the words of the vocabulary only", () => {
    const used = new Set(everything.flatMap((content) => captionOf(content).split(" ")));
    expect([...used].sort()).toEqual([...words].sort());
  });

  it("is not understood where a word is another", () => {
    expect(contentOf("a dog is running on the grass")).toBeUndefined();
    expect(contentOf("a pink cat is running on the grass")).toBeUndefined();
    expect(contentOf("a cat is running on the grass and away")).toBeUndefined();
  });
});

describe("isHeldOut", () => {
  it("keeps one combination in six from training", () => {
    const share = seen.filter(isHeldOut).length / seen.length;
    expect(share).toBeGreaterThan(0.14);
    expect(share).toBeLessThan(0.19);
  });

  it("leaves every pair of subject, verb and place to training", () => {
    const kept = seen.filter((content) => !isHeldOut(content));
    const pairs = (list: readonly Content[]): Set<string> =>
      new Set(
        list.flatMap(({ subject, verb, place }) => [
          `${subject} ${verb}`,
          `${subject} ${place}`,
          `${verb} ${place}`,
        ]),
      );
    expect(pairs(kept)).toEqual(pairs(seen));
  });

  it("is not said of what is unseen anyway", () => {
    const unseen = everything.filter(({ subject }) => unseenSubjects.some((s) => s === subject));
    expect(unseen.filter(isHeldOut)).toEqual([]);
  });
});

describe("isClashing", () => {
  it("leaves a tint to every subject in every place", () => {
    for (const content of everything) {
      const tints = allColours.filter((colour) => !isClashing({ ...content, colour }));
      expect(tints.length).toBeGreaterThan(0);
    }
  });

  it("never speaks against a subject's own colour", () => {
    expect(everything.filter((content) => content.colour === null).some(isClashing)).toBe(false);
  });
});
