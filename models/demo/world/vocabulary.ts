/** What the world is made of. Training draws these; `unseen...` it never draws. */
export const subjects = [
  ...(["cat", "rabbit", "horse", "elephant"] as const),
  ...(["penguin", "pig", "car", "dinosaur"] as const),
] as const;
export const colours = ["red", "blue", "green"] as const;
export const verbs = ["running", "jumping", "bouncing", "flying"] as const;
export const places = ["grass", "beach", "snow", "desert", "city"] as const;

export const unseenSubjects = ["robot", "duck", "cow", "tiger"] as const;
export const unseenColours = ["purple", "golden"] as const;
export const unseenPlaces = ["space", "forest"] as const;

export type Subject = (typeof subjects)[number] | (typeof unseenSubjects)[number];
export type Colour = (typeof colours)[number] | (typeof unseenColours)[number];
export type Verb = (typeof verbs)[number];
export type Place = (typeof places)[number] | (typeof unseenPlaces)[number];

export const allSubjects: readonly Subject[] = [...subjects, ...unseenSubjects];
export const allColours: readonly Colour[] = [...colours, ...unseenColours];
export const allPlaces: readonly Place[] = [...places, ...unseenPlaces];

/** What a picture or a clip shows. Without a colour, the subject has its own. */
export interface Content {
  readonly subject: Subject;
  readonly colour: Colour | null;
  readonly verb: Verb;
  readonly place: Place;
}

const placePhrases: Readonly<Record<Place, string>> = {
  grass: "on the grass",
  beach: "on the beach",
  snow: "on the snow",
  desert: "in the desert",
  city: "in the city at night",
  space: "in space",
  forest: "in the forest",
};

/** The sentence that says what is shown: `a {colour} {subject} is {verb} {place}`. */
export function captionOf({ subject, colour, verb, place }: Content): string {
  const tinted = colour === null ? subject : `${colour} ${subject}`;
  return `${/^[aeiou]/.test(tinted) ? "an" : "a"} ${tinted} is ${verb} ${placePhrases[place]}`;
}

/** What a sentence of this world says; `undefined` for any other sentence. */
export function contentOf(caption: string): Content | undefined {
  const found = /^an? (?:(\w+) )?(\w+) is (\w+) (.+)$/.exec(caption);
  const [, tint, noun, motion, phrase] = found ?? [];
  const subject = allSubjects.find((name) => name === noun);
  const verb = verbs.find((name) => name === motion);
  const place = allPlaces.find((name) => placePhrases[name] === phrase);
  const colour = tint === undefined ? null : allColours.find((name) => name === tint);
  if (subject === undefined || verb === undefined || place === undefined) return undefined;
  return colour === undefined ? undefined : { subject, colour, verb, place };
}

/** Every word of any caption, those of unseen content too, each once. */
export const words: readonly string[] = [
  ...new Set(
    ["a an is", ...Object.values(placePhrases), ...allSubjects, ...allColours, ...verbs].flatMap(
      (phrase) => phrase.split(" "),
    ),
  ),
];

/** Tints that cannot be told from a subject's own colour, or from a place. */
const clashes: Readonly<Record<Colour, readonly (Subject | Place)[]>> = {
  red: ["car", "tiger"],
  blue: ["beach", "city"],
  green: ["dinosaur", "grass", "forest"],
  purple: ["penguin", "city", "space"],
  golden: ["cat", "tiger", "beach", "desert"],
};

/** Whether the tint would not show: such pictures are neither drawn for training nor judged. */
export const isClashing = ({ subject, colour, place }: Content): boolean =>
  colour !== null && (clashes[colour].includes(subject) || clashes[colour].includes(place));

const isOneOf = (names: readonly string[], name: string): boolean => names.includes(name);

/** Whether a part of this is never drawn for training, in no combination. */
export const isUnseen = ({ subject, colour, place }: Content): boolean =>
  isOneOf(unseenSubjects, subject) ||
  isOneOf(unseenPlaces, place) ||
  (colour !== null && isOneOf(unseenColours, colour));

/** One combination in so many is held out: kept from training, and judged on. */
const heldOutOneIn = 6;

/** Whether this subject never does this in this place in training, though each part is known. */
export function isHeldOut({ subject, verb, place }: Content): boolean {
  if (isUnseen({ subject, colour: null, verb, place })) return false;
  const sum = allSubjects.indexOf(subject) + 2 * allPlaces.indexOf(place) + 3 * verbs.indexOf(verb);
  return sum % heldOutOneIn === 0;
}
