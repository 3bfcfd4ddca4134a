import type { EditCase } from "./edits.js";
import type { Content } from "./vocabulary.js";

const seed = 20_261_128;

function demoCase(
  index: number,
  { subject, verb, place }: Pick<Content, "subject" | "verb" | "place">,
  to: Required<Pick<Content, "subject" | "place" | "colour">>,
): EditCase {
  const content = { subject, verb, place, colour: null };
  return {
    ...{ key: { seed, index }, unseen: "combination", content },
    edits: [
      { kind: "subject", content: { ...content, subject: to.subject } },
      { kind: "place", content: { ...content, place: to.place } },
      { kind: "colour", content: { ...content, colour: to.colour } },
    ],
  };
}

/** The clips that come along with the checkpoint: training has held each combination out. */
export const demoCases: readonly EditCase[] = [
  demoCase(
    0,
    { subject: "car", verb: "running", place: "grass" },
    { subject: "horse", place: "desert", colour: "blue" },
  ),
  demoCase(
    1,
    { subject: "rabbit", verb: "jumping", place: "beach" },
    { subject: "pig", place: "snow", colour: "green" },
  ),
  demoCase(
    2,
    { subject: "elephant", verb: "flying", place: "desert" },
    { subject: "dinosaur", place: "city", colour: "red" },
  ),
];
