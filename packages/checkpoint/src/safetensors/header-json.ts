import { malformed, shown } from "../files/file-errors.js";

/** What a safetensors header may hold: no null, no true, no fractions. */
export type HeaderValue = string | number | readonly HeaderValue[] | HeaderObject;
export type HeaderObject = ReadonlyMap<string, HeaderValue>;

/** The header is an object of objects of arrays. */
const depthMax = 3;

const spaces = new Set([" ", "\t", "\n", "\r"]);
const integerPattern = /(?:0|[1-9][0-9]*)(?![0-9.eE])/y;

/**
 * Reads the JSON of a safetensors header, and nothing beyond it. `JSON.parse` would hide what
 * matters here: of two equal keys it keeps the last, and it rounds large integers.
 *
 * @throws RetakeError  `file-malformed`, with the position
 */
export function parseHeaderJson(text: string, { label }: { readonly label: string }): HeaderObject {
  const reader: Reader = { text, label, position: 0 };
  if (!text.startsWith("{")) throw unexpected(reader, "`{` as first character");
  const value = readObject(reader, 1);
  skipSpace(reader);
  if (reader.position !== text.length) throw unexpected(reader, "the end of the header");
  return value;
}

interface Reader {
  readonly text: string;
  readonly label: string;
  position: number;
}

function unexpected(reader: Reader, expected: string): Error {
  const got = shown(reader.text.slice(reader.position, reader.position + 12));
  return malformed(
    `${reader.label}: expected ${expected} at header position ${reader.position}, got ${got}`,
  );
}

function skipSpace(reader: Reader): void {
  while (spaces.has(reader.text.charAt(reader.position))) reader.position += 1;
}

/** Steps over `character` if it comes next. */
function takes(reader: Reader, character: string): boolean {
  skipSpace(reader);
  if (reader.text[reader.position] !== character) return false;
  reader.position += 1;
  return true;
}

function readValue(reader: Reader, depth: number): HeaderValue {
  skipSpace(reader);
  const first = reader.text[reader.position];
  if (first === '"') return readString(reader);
  if (first === "{") return readObject(reader, depth + 1);
  if (first === "[") return readArray(reader, depth + 1);
  return readInteger(reader);
}

function readObject(reader: Reader, depth: number): HeaderObject {
  if (depth > depthMax) throw unexpected(reader, `at most ${depthMax} levels`);
  const object = new Map<string, HeaderValue>();
  reader.position += 1;
  if (takes(reader, "}")) return object;
  do {
    skipSpace(reader);
    const key = readString(reader);
    if (object.has(key)) throw unexpected(reader, `no second key ${shown(key)}`);
    if (key in Object.prototype) throw unexpected(reader, `no key named ${shown(key)}`);
    if (!takes(reader, ":")) throw unexpected(reader, "`:`");
    object.set(key, readValue(reader, depth));
  } while (takes(reader, ","));
  if (!takes(reader, "}")) throw unexpected(reader, "`,` or `}`");
  return object;
}

function readArray(reader: Reader, depth: number): readonly HeaderValue[] {
  if (depth > depthMax) throw unexpected(reader, `at most ${depthMax} levels`);
  const array: HeaderValue[] = [];
  reader.position += 1;
  if (takes(reader, "]")) return array;
  do {
    array.push(readValue(reader, depth));
  } while (takes(reader, ","));
  if (!takes(reader, "]")) throw unexpected(reader, "`,` or `]`");
  return array;
}

/** By hand: a regular expression's stack would not bear a string of 100 MB. */
function readString(reader: Reader): string {
  const { text, position: start } = reader;
  if (text[start] !== '"') throw unexpected(reader, "a string");
  let hasEscape = false;
  for (let end = start + 1; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code < 0x20) break;
    if (code === 0x5c) {
      hasEscape = true;
      end += 1;
    } else if (code === 0x22) {
      reader.position = end + 1;
      if (!hasEscape) return text.slice(start + 1, end);
      return unescaped(reader, text.slice(start, end + 1));
    }
  }
  throw unexpected(reader, "a string that ends and holds no control character");
}

function unescaped(reader: Reader, token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    throw unexpected(reader, "a string with valid escapes");
  }
}

function readInteger(reader: Reader): number {
  integerPattern.lastIndex = reader.position;
  const token = integerPattern.exec(reader.text)?.[0];
  const value = Number(token);
  if (token === undefined || !Number.isSafeInteger(value)) {
    throw unexpected(reader, "a string, an object, an array or a whole number from 0 to 2^53 - 1");
  }
  reader.position += token.length;
  return value;
}
