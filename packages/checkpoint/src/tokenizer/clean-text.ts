import { unescapedHtml, windows1252Of } from "./html-entities.js";
import { repairedMojibake } from "./mojibake.js";

/** One character that stands for two or three Latin letters, and these. */
const ligatures: ReadonlyMap<string, string> = new Map([
  ["\u0132", "IJ"],
  ["\u0133", "ij"],
  ["\u0149", "\u02bcn"],
  ["\u01f1", "DZ"],
  ["\u01f2", "Dz"],
  ["\u01f3", "dz"],
  ["\u01c4", "D\u017d"],
  ["\u01c5", "D\u017e"],
  ["\u01c6", "d\u017e"],
  ["\u01c7", "LJ"],
  ["\u01c8", "Lj"],
  ["\u01c9", "lj"],
  ["\u01ca", "NJ"],
  ["\u01cb", "Nj"],
  ["\u01cc", "nj"],
  ["\ufb00", "ff"],
  ["\ufb01", "fi"],
  ["\ufb02", "fl"],
  ["\ufb03", "ffi"],
  ["\ufb04", "ffl"],
  ["\ufb05", "\u017ft"],
  ["\ufb06", "st"],
]);

const ligaturePattern = new RegExp(`[${[...ligatures.keys()].join("")}]`, "g");
const controlPattern =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  /[\u0000-\u0008\u000b\u000e-\u001f\u007f\u206a-\u206f\ufeff\ufff9-\ufffc]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal escape begins with one
const terminalEscapePattern = /\u001b\[[\d;]*[a-zA-Z]/g;
/** What the reference's language calls white space, which is not what JavaScript's `\s` is. */
const spacePattern =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they count as white space there
  /[\t-\r\u001c-\u001f \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
/** Cleaning is repeated until nothing changes; real text needs two rounds. */
const roundsMax = 32;

/**
 * A prompt as the tokenizer of the reference sees it: entities, widths, ligatures, quotes, controls
 * and wrongly decoded characters repaired, line by line; then single spaces and lower case.
 *
 * @source ftfy 6.3 `fix_text` and `CLIPTokenizer` of transformers 4.48, by behaviour; repair of
 *         mojibake is our own and covers less (README)
 */
export function cleanText(text: string): string {
  let hasEntities = true;
  const lines = text.split(/(?<=\n)/).map((line) => {
    if (line.includes("<")) hasEntities = false;
    return cleanLine(line, hasEntities);
  });
  return lines.join("").replace(spacePattern, " ").replace(/^ | $/g, "").toLowerCase();
}

function cleanLine(line: string, hasEntities: boolean): string {
  let text = line;
  for (let round = 0; round < roundsMax; round++) {
    const before = text;
    if (hasEntities) text = unescapedHtml(text);
    text = repairedMojibake(text)
      .replace(/[\u0080-\u009f]/g, (control) => windows1252Of(control.charCodeAt(0)))
      .replace(ligaturePattern, (ligature) => ligatures.get(ligature) ?? ligature)
      .replace(/[\u3000\uff01-\uffef]/g, (wide) => wide.normalize("NFKC"))
      .replace(/[\u201c-\u201f]/g, '"')
      .replace(/[\u02bc\u2018-\u201b]/g, "'")
      .replace(/\r\n|[\r\u2028\u2029\u0085]/g, "\n")
      .replace(/\p{Surrogate}/gu, "\ufffd")
      .replace(terminalEscapePattern, "")
      .replace(controlPattern, "")
      .normalize("NFC");
    if (text === before) break;
  }
  return text;
}
