import { Code, RetakeError } from "@retake/errors";

/** One setting: how it is given, what it means, and what it is when nobody says. */
export interface SettingSpec<Value extends string | number> {
  /** As commander takes it: `--frames <count>`. */
  readonly flags: string;
  readonly help: string;
  /** Undefined where it depends on the machine or the model. */
  readonly fallback: Value | undefined;
  /** From the command line (text), a card or a manifest (JSON). */
  readonly decode: (value: unknown, label: string) => Value;
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** Whether `min` itself is too small. */
  readonly above?: boolean;
}
type About<Value> = { readonly flags: string; readonly help: string; readonly fallback?: Value };

/** A whole number between two others. */
export function wholeNumber(about: About<number> & Bounds): SettingSpec<number> {
  return number(about, { expected: "a whole number", isRight: Number.isSafeInteger });
}

/** Any finite number between two others. */
export function realNumber(about: About<number> & Bounds): SettingSpec<number> {
  return number(about, { expected: "a number", isRight: Number.isFinite });
}

function number(
  about: About<number> & Bounds,
  kind: { readonly expected: string; readonly isRight: (value: number) => boolean },
): SettingSpec<number> {
  const { flags, help, fallback, min, max, above = false } = about;
  const from = above ? `above ${min}` : `from ${min}`;
  const decode = (value: unknown, label: string): number => {
    const given = typeof value === "string" ? numberOfText(value) : value;
    const isIn = (n: number): boolean => (above ? n > min : n >= min) && n <= max;
    if (typeof given === "number" && kind.isRight(given) && isIn(given)) return given;
    const expected = `${kind.expected} ${from} to ${max}`;
    throw badOption(label, { expected, got: value });
  };
  return { flags, help, fallback, decode };
}

/** Digits, point and exponent only: no hexadecimal, no empty text, no spaces. */
function numberOfText(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** One of a few words. */
export function choice<Value extends string>(
  about: About<Value> & { readonly choices: readonly Value[] },
): SettingSpec<Value> {
  const { flags, help, fallback, choices } = about;
  const decode = (value: unknown, label: string): Value => {
    const found = choices.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw badOption(label, { expected: `one of ${choices.join(", ")}`, got: value });
  };
  return { flags, help, fallback, decode };
}

/** Text of a certain form. */
export function patterned(
  about: About<string> & { readonly pattern: RegExp; readonly expected: string },
): SettingSpec<string> {
  const { flags, help, fallback, pattern, expected } = about;
  const decode = (value: unknown, label: string): string => {
    const text = typeof value === "number" ? String(value) : value;
    if (typeof text === "string" && pattern.test(text)) return text;
    throw badOption(label, { expected, got: value });
  };
  return { flags, help, fallback, decode };
}

const shownCharactersMax = 60;

/** A value that cannot be used. */
export function badOption(
  label: string,
  { expected, got }: { readonly expected: string; readonly got: unknown },
): RetakeError {
  const text = typeof got === "string" ? JSON.stringify(got) : String(got);
  const shown = text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}...` : text;
  return badUsage(label, { expected, got: shown });
}

/** Options that cannot be used together, or without each other; `got` is said as it is. */
export function badUsage(
  label: string,
  { expected, got }: { readonly expected: string; readonly got: string },
): RetakeError {
  const message = `${label}: expected ${expected}, got ${got}; see retake --help`;
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}
