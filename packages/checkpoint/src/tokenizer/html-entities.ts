import { readFileSync } from "node:fs";
import { isObject } from "../files/read-json.js";

/** As far as the reference looks: a few longer names stay as they are. */
const entityPattern = /&#?[0-9A-Za-z]{1,24};/g;
const numericPattern = /^&#(?:([0-9]+)|[xX]([0-9a-fA-F]+));$/;
/** Names that HTML also knows without a semicolon: what begins so is ambiguous in upper case. */
const openUpperNames = ["AMP", "COPY", "ETH", "GT", "LT", "QUOT", "REG", "THORN"];

let characters: ReadonlyMap<string, string> | undefined;

/**
 * The text with HTML entities replaced by what they stand for: named ones (also those of lower-case
 * names in capitals, `&EACUTE;`) and numeric ones, only where the semicolon is there.
 */
export function unescapedHtml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(entityPattern, (entity) => {
    const named = entityCharacters().get(entity.slice(1, -1));
    if (named !== undefined) return named;
    const [, decimal, hexadecimal] = numericPattern.exec(entity) ?? [];
    if (decimal !== undefined) return numericCharacter(Number.parseInt(decimal, 10), entity);
    if (hexadecimal === undefined) return entity;
    return numericCharacter(Number.parseInt(hexadecimal, 16), entity);
  });
}

/** As HTML5 reads a character reference: C1 controls mean Windows-1252, nonsense means nothing. */
function numericCharacter(code: number, entity: string): string {
  if (code >= 0x80 && code <= 0x9f) return windows1252Of(code);
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code === 0x3b) return entity;
  const isControl = code < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d].includes(code);
  const isNoncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  if (isControl || isNoncharacter || code === 0x7f) return "";
  return String.fromCodePoint(code);
}

/**
 * What Windows-1252 has at 0x80 to 0x9f; the five unassigned bytes are their own control character.
 * Not `TextDecoder`: Node 20 reads that encoding as Latin-1.
 */
const windows1252Signs =
  "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d" +
  "\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d" +
  "\u017e\u0178";

/** The character of a Windows-1252 byte. */
export function windows1252Of(byte: number): string {
  return windows1252Signs[byte - 0x80] ?? String.fromCharCode(byte);
}

/** The table of the HTML standard, with the names in capitals that are not ambiguous. */
function entityCharacters(): ReadonlyMap<string, string> {
  if (characters !== undefined) return characters;
  const url = new URL("../../data/html-entities.json", import.meta.url);
  const table: unknown = JSON.parse(readFileSync(url, "utf8"));
  const map = new Map<string, string>();
  for (const [name, character] of Object.entries(isObject(table) ? table : {})) {
    if (typeof character === "string") map.set(name, character);
  }
  for (const [name, character] of [...map]) {
    const upper = name.toUpperCase();
    if (name !== name.toLowerCase() || map.has(upper)) continue;
    if (openUpperNames.some((open) => upper.startsWith(open))) continue;
    map.set(upper, character.toUpperCase());
  }
  characters = map;
  return map;
}
