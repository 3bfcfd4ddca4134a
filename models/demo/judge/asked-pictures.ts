import { Dice } from "../world/dice.js";
import {
  type Content,
  colours,
  isClashing,
  isHeldOut,
  places,
  subjects,
  verbs,
} from "../world/vocabulary.js";

/** A picture to be asked for by its caption. */
export interface AskedPicture {
  readonly content: Content;
  /** Whether training never drew this subject doing this in this place. */
  readonly isHeldOut: boolean;
}

/**
 * Pictures of the words that training knows, no two alike: every second one of a combination that
 * is held out, half of either with a tint.
 *
 * @throws Error  for no number, or if there are not so many
 */
export function askedPictures(
  seed: number,
  { count }: { readonly count: number },
): readonly AskedPicture[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`pictures: expected a whole number from 1, got ${count}`);
  }
  const left = new Map<string, Content[]>();
  for (const content of knownContents) {
    const kind = kindOf(isHeldOut(content), content.colour !== null);
    left.set(kind, [...(left.get(kind) ?? []), content]);
  }
  return Array.from({ length: count }, (_, index) => {
    const isOfHeldOut = index % 2 === 0;
    const kind = kindOf(isOfHeldOut, index % 4 < 2);
    const candidates = left.get(kind) ?? [];
    if (candidates.length === 0) {
      throw new Error(`pictures: expected at most ${index} of them, got ${count}; ask for fewer`);
    }
    const content = new Dice({ seed, index }, "asked").pick(candidates);
    left.set(
      kind,
      candidates.filter((other) => other !== content),
    );
    return { content, isHeldOut: isOfHeldOut };
  });
}

const kindOf = (isOfHeldOut: boolean, isTinted: boolean): string => `${isOfHeldOut} ${isTinted}`;

/** All that captions of known words can say, but tints that would not show. */
const knownContents: readonly Content[] = subjects.flatMap((subject) =>
  verbs.flatMap((verb) =>
    places.flatMap((place) =>
      [null, ...colours]
        .map((colour) => ({ subject, verb, place, colour }))
        .filter((content) => !isClashing(content)),
    ),
  ),
);
