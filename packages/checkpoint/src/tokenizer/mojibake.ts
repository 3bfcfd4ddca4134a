import { windows1252Of } from "./html-entities.js";

/**
 * What a character is, as far as it matters for judging its neighbours. `plain` is everything that
 * no wrong decoding makes: unaccented letters, digits, other scripts.
 */
type Kind = "control" | "stray" | "opening" | "closing" | "money" | "number" | "upper" | "lower";

/**
 * The characters of Windows-1252 above ASCII, by kind. Quotes and dashes between words have none.
 */
const charactersOfKind: Readonly<Record<Kind, string>> = {
  control: Array.from({ length: 32 }, (_, at) => String.fromCharCode(0x80 + at)).join(""),
  stray:
    "\u00a4\u00a6\u00a8\u00aa\u00ac\u00af\u00b8\u00ba\u0192\u02c6\u02dc\u2020\u2021\u2030\ufffd",
  opening: "\u00a1\u00a9\u00ab\u00bf\u2018\u201a\u201c\u201e\u2022\u2039",
  closing: "\u00ae\u00bb\u201d\u203a\u2122",
  money: "\u00a2\u00a3\u00a5\u20ac",
  number: "\u00b1\u00b2\u00b3\u00b5\u00b9\u00bc\u00bd\u00be\u00d7\u00f7\u00a7\u00b6",
  upper: "\u00c0-\u00d1\u00d8\u00dc\u00dd\u0152\u0160\u017d\u0178",
  lower: "\u00df\u00e0-\u00f1\u0153\u0161\u017e",
};

const kinds = (...names: readonly Kind[]): string =>
  names.map((name) => charactersOfKind[name]).join("");
const anyOf = (...names: readonly Kind[]): string => `[${kinds(...names)}]`;

/**
 * Neighbours that hardly occur in a text that was decoded rightly: a stray sign beside an accented
 * letter, a capital behind an accented small letter, a quote within a word.
 */
const behindLatin =
  kinds("opening", "closing") +
  "\u20ac\u0153\u0160\u0161\u00a2\u00a3\u0178\u017e\u00a0\u00ad\u00b0\u00b7\u2013\u2014\u00b4";
const behindArabic =
  kinds("opening", "closing", "money", "stray", "number") +
  "\u00a0\u00ad\u00b7\u00b4\u2013\u2014\u2026\u2019\u0178\u0160\u00b0";

const unlikelyNeighbours = new RegExp(
  [
    anyOf("control"),
    anyOf("stray", "opening", "closing", "money", "number", "upper", "lower") + anyOf("stray"),
    anyOf("stray") + anyOf("opening", "closing", "money", "number", "upper", "lower"),
    anyOf("lower", "closing", "money", "number") + anyOf("upper"),
    anyOf("closing", "money", "number") + anyOf("lower"),
    anyOf("lower", "closing") + anyOf("money"),
    anyOf("upper") + anyOf("number"),
    anyOf("money", "number") + anyOf("opening"),
    `[a-z]${anyOf("upper")}${anyOf("opening", "money")}`,
    `\\s${anyOf("upper")}${anyOf("money")}`,
    `${anyOf("lower", "upper")}${anyOf("opening", "closing")}[\\p{L}\\p{N}_]`,
    anyOf("lower", "upper", "money", "number") + anyOf("closing") + anyOf("opening"),
    anyOf("lower", "upper", "money", "closing") + anyOf("opening") + anyOf("number"),
    // The first bytes of Latin and Cyrillic letters, with almost anything behind them.
    `[\u00c2\u00c3\u00ce\u00d0][${behindLatin}]`,
    // Two letters of Arabic.
    `(?:[\u00d8\u00d9][${behindArabic}]){2}`,
    `${anyOf("upper")}\u00b0`,
    "[\u0152\u0153][^A-Za-z]",
    "[a-z]\\s?[\u00c2\u00c3] |^[\u00c2\u00c3] ",
  ].join("|"),
  "u",
);

/** The byte that Windows-1252, or Latin-1 where that has none, reads as a character. */
const byteOf: ReadonlyMap<string, number> = new Map(
  Array.from({ length: 256 }, (_, byte) => [
    [String.fromCharCode(byte), byte] as const,
    [windows1252Of(byte), byte] as const,
  ]).flat(),
);

const followers = [...byteOf]
  .filter(([, byte]) => byte >= 0x80 && byte <= 0xbf)
  .map(([character]) => character)
  .join("");
/** Runs of characters whose bytes have the form of UTF-8. */
const utf8Runs = new RegExp(
  `(?:${[
    `[\u00c2-\u00df][${followers}]`,
    `[\u00e0-\u00ef][${followers}]{2}`,
    `[\u00f0-\u00f4][${followers}]{3}`,
  ].join("|")})+`,
  "gu",
);

/**
 * No-break spaces that some program made plain ones: they were the second byte of a letter. Behind
 * an a-grave stood a space too, which went with it; not so in a few Portuguese words.
 */
function withLostSpaces(text: string): string {
  return text
    .replace(/\u00c3 (?! |quele|quela|quilo|s )/g, "\u00c3\u00a0 ")
    .replace(/([\u00c2\u00c3\u00c5\u00ce\u00d0\u00d9]) /g, "$1\u00a0");
}
/** Text may have gone through the wrong decoder more than once. */
const roundsMax = 8;

/**
 * Repairs mojibake: text whose UTF-8 bytes were read as Windows-1252 or Latin-1 (`cafÃ©`). Only
 * where neighbouring characters are unlikely as they stand and their bytes are UTF-8.
 */
export function repairedMojibake(text: string): string {
  let repaired = text;
  for (let round = 0; round < roundsMax; round++) {
    if (!unlikelyNeighbours.test(repaired)) return repaired;
    const next = decodedAgain(withLostSpaces(repaired)) ?? repairedRuns(repaired);
    if (next === repaired) return repaired;
    repaired = next;
  }
  return repaired;
}

function repairedRuns(text: string): string {
  const repaired = text.replace(utf8Runs, (run) =>
    unlikelyNeighbours.test(run) ? (decodedAgain(run) ?? run) : run,
  );
  return repaired.replace(/\u00c3 (?! )/g, "\u00e0 ").replace(/\u00c2 /g, "\u00a0");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text's bytes read as UTF-8, or undefined where they are none. */
function decodedAgain(text: string): string | undefined {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = byteOf.get(character);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  try {
    return utf8.decode(Uint8Array.from(bytes));
  } catch {
    return undefined;
  }
}
