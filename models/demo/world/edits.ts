import { Dice, type Key } from "./dice.js";
import {
  type Content,
  colours,
  isClashing,
  isHeldOut,
  places,
  subjects,
  unseenColours,
  unseenPlaces,
  unseenSubjects,
  verbs,
} from "./vocabulary.js";

export const editKinds = ["subject", "place", "colour"] as const;
export type EditKind = (typeof editKinds)[number];

/** What an edit should show; rendered with the clip's key, it is the edit's truth. */
export interface Edit {
  readonly kind: EditKind;
  readonly content: Content;
}

/** A clip to be edited, and its edits. */
export interface EditCase {
  readonly key: Key;
  /** What training never saw of the clip: a combination only, or a part. */
  readonly unseen: "combination" | "subject" | "colour" | "place";
  readonly content: Content;
  readonly edits: readonly Edit[];
}

/** Every combination that is held out, in a fixed order. */
export const heldOutContents: readonly Content[] = subjects.flatMap((subject) =>
  verbs.flatMap((verb) =>
    places
      .map((place) => ({ subject, verb, place, colour: null }))
      .filter((content) => isHeldOut(content)),
  ),
);

/** Clips of held-out combinations, each with one edit of every kind. */
export function heldOutCases(seed: number, { count }: { readonly count: number }): EditCase[] {
  return Array.from({ length: count }, (_, index) => {
    const key = { seed, index };
    const turn = (index * 11) % heldOutContents.length;
    const content = heldOutContents[turn];
    if (content === undefined) throw new Error("held-out contents: expected some, got none");
    return { key, unseen: "combination", content, edits: editsOf(key, content) };
  });
}

/** Clips with a subject, a colour or a place that training never saw, in turns. */
export function unseenCases(seed: number, { count }: { readonly count: number }): EditCase[] {
  return Array.from({ length: count }, (_, index) => {
    const key = { seed, index: unseenFrom + index };
    const unseen = (["subject", "place", "colour"] as const)[index % 3] ?? "subject";
    const content = unseenContent(new Dice(key, "unseen"), unseen);
    return { key, unseen, content, edits: editsOf(key, content) };
  });
}

/** Unseen clips have indices of their own. */
const unseenFrom = 1_000_000;

/** A content whose one part training never draws. */
export function unseenContent(dice: Dice, unseen: EditKind): Content {
  for (;;) {
    const content: Content = {
      subject: dice.pick(unseen === "subject" ? unseenSubjects : subjects),
      verb: dice.pick(verbs),
      place: dice.pick(unseen === "place" ? unseenPlaces : places),
      colour: unseen === "colour" ? dice.pick(unseenColours) : null,
    };
    if (!isClashing(content)) return content;
  }
}

/** One edit of every kind, to something that training knows and that can be told apart. */
function editsOf(key: Key, content: Content): readonly Edit[] {
  const dice = new Dice(key, "edits");
  const choose = (changes: readonly Partial<Content>[]): Content => {
    const possible = changes
      .map((change) => ({ ...content, ...change }))
      .filter((candidate) => !isClashing(candidate));
    return dice.pick(possible);
  };
  const others = <Name extends string>(names: readonly Name[], own: string | null): Name[] =>
    names.filter((name) => name !== own);
  return [
    {
      kind: "subject",
      content: choose(others(subjects, content.subject).map((subject) => ({ subject }))),
    },
    {
      kind: "place",
      content: choose(others(places, content.place).map((place) => ({ place }))),
    },
    {
      kind: "colour",
      content: choose(others(colours, content.colour).map((colour) => ({ colour }))),
    },
  ];
}
