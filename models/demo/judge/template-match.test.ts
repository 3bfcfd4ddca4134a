import { describe, expect, it } from "vitest";
import { clip } from "../world/clip.js";
import { allPlaces, allSubjects, type Content, colours, isClashing } from "../world/vocabulary.js";
import { median } from "./statistics.js";
import { foundPlace } from "./template-match.js";

const seed = 21;

/** How far the match is from the truth in one frame of a clip of the content. */
function distance(content: Content, index: number): number {
  const { frames, path } = clip({ seed, index }, { content, frameCount: 4 });
  const frame = index % 4;
  const [pixels, truth] = [frames[frame], path.positions[frame]];
  if (pixels === undefined || truth === undefined) throw new Error("expected four frames");
  const { x, y } = foundPlace(pixels, content);
  return Math.sqrt((x - truth.x) ** 2 + (y - truth.y) ** 2);
}

describe("foundPlace", () => {
  it(`finds every subject in every place, half a pixel off at most (seed ${seed})`, () => {
    const found = allSubjects.flatMap((subject, row) =>
      allPlaces.map((place, column) => {
        const content = { subject, verb: "jumping", place, colour: null } as const;
        return { content, far: distance(content, row * 10 + column) };
      }),
    );
    expect(found.filter(({ far }) => far > 1)).toEqual([]);
    expect(median(found.map(({ far }) => far))).toBeLessThanOrEqual(0.5);
  });

  it(`finds tinted subjects, too (seed ${seed})`, () => {
    const contents = allSubjects.flatMap((subject) =>
      colours.map((colour) => ({ subject, verb: "flying", place: "snow", colour }) as const),
    );
    const fair = contents.filter((content) => !isClashing(content));
    expect(fair.filter((content, index) => distance(content, index) > 1)).toEqual([]);
  });
});
