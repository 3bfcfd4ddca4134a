import { Code, RetakeError } from "@retake/errors";

/** A parsed JSON object, and the file that it came from, for messages. */
export interface ConfigSource {
  readonly file: string;
  readonly values: Readonly<Record<string, unknown>>;
}
export interface NumberLimits {
  readonly min: number;
  readonly max: number;
  /** Taken where the field is absent or null; without it such a field is refused. */
  readonly fallback?: number;
}

const shownMax = 60;

function refusal(source: ConfigSource, key: string, expected: string): RetakeError {
  const text = JSON.stringify(fieldValue(source, key)) ?? "nothing";
  const shown = text.length > shownMax ? `${text.slice(0, shownMax)}...` : text;
  const message = `${source.file}: ${key}: expected ${expected}, got ${shown}`;
  const advice = "use a checkpoint of Stable Diffusion 1.x's architecture";
  return new RetakeError(Code.InvalidArgument, "config-unsupported", `${message}; ${advice}`);
}

/** The value of a field of the object itself; null counts as absent, as in diffusers. */
function fieldValue(source: ConfigSource, key: string): unknown {
  const value = Object.hasOwn(source.values, key) ? source.values[key] : undefined;
  return value === null ? undefined : value;
}

/**
 * Checks that a config is a JSON object.
 *
 * @param json  what `JSON.parse` returned for the file
 * @throws RetakeError  `config-unsupported`
 */
export function configSource(file: string, json: unknown): ConfigSource {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    const message = `${file}: expected a JSON object; the file is no config of a checkpoint`;
    throw new RetakeError(Code.InvalidArgument, "config-unsupported", message);
  }
  return { file, values: { ...json } };
}

export function numberField(source: ConfigSource, key: string, limits: NumberLimits): number {
  const value = fieldValue(source, key) ?? limits.fallback;
  if (typeof value === "number" && value >= limits.min && value <= limits.max) return value;
  throw refusal(source, key, `a number from ${limits.min} to ${limits.max}`);
}

export function integerField(source: ConfigSource, key: string, limits: NumberLimits): number {
  const value = fieldValue(source, key) ?? limits.fallback;
  if (isInteger(value, limits)) return value;
  throw refusal(source, key, `an integer from ${limits.min} to ${limits.max}`);
}

function isInteger(value: unknown, limits: NumberLimits): value is number {
  return Number.isInteger(value) && Number(value) >= limits.min && Number(value) <= limits.max;
}

export function booleanField(source: ConfigSource, key: string, fallback: boolean): boolean {
  const value = fieldValue(source, key) ?? fallback;
  if (typeof value === "boolean") return value;
  throw refusal(source, key, "true or false");
}

/** One of a few names. */
export function choiceField<Choice extends string>(
  source: ConfigSource,
  key: string,
  options: { readonly choices: readonly Choice[]; readonly fallback: Choice },
): Choice {
  const value = fieldValue(source, key) ?? options.fallback;
  const choice = options.choices.find((candidate) => candidate === value);
  if (choice !== undefined) return choice;
  throw refusal(source, key, options.choices.map((name) => JSON.stringify(name)).join(" or "));
}

/** A list of integers; `length` limits how many there may be. */
export function integersField(
  source: ConfigSource,
  key: string,
  options: {
    readonly each: { readonly min: number; readonly max: number };
    readonly length: { readonly min: number; readonly max: number };
    readonly fallback: readonly number[];
  },
): readonly number[] {
  const { each, length, fallback } = options;
  const value = fieldValue(source, key) ?? fallback;
  const isList = Array.isArray(value) && value.length >= length.min && value.length <= length.max;
  if (isList && value.every((entry) => isInteger(entry, each))) return value.map(Number);
  const count = `${length.min} to ${length.max}`;
  throw refusal(source, key, `a list of ${count} integers from ${each.min} to ${each.max}`);
}

/** A list of `length` names, each of `choices`. */
export function choicesField<Choice extends string>(
  source: ConfigSource,
  key: string,
  options: {
    readonly choices: readonly Choice[];
    readonly length: number;
    readonly fallback: readonly Choice[];
  },
): readonly Choice[] {
  const value = fieldValue(source, key) ?? options.fallback;
  const entries: readonly unknown[] = Array.isArray(value) ? value : [];
  const found = entries.flatMap((entry) => options.choices.filter((choice) => choice === entry));
  if (entries.length === options.length && found.length === options.length) return found;
  const names = options.choices.map((name) => JSON.stringify(name)).join(" or ");
  throw refusal(source, key, `a list of ${options.length}, each ${names}`);
}

/**
 * Refuses an option of diffusers that we do not have, unless it stands at a value that changes
 * nothing: absent, null, one of `neutral`, or a list of such values.
 */
export function refuseField(
  source: ConfigSource,
  key: string,
  neutral: readonly (string | number | boolean)[] = [false],
): void {
  const value = fieldValue(source, key);
  const entries: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isOff = (entry: unknown): boolean =>
    entry === undefined || neutral.some((each) => each === entry);
  if (entries.every(isOff)) return;
  const names = neutral.map((each) => JSON.stringify(each)).join(" or ");
  throw refusal(source, key, names || "nothing");
}

/**
 * Checks that a number divides another, as groups divide channels.
 *
 * @throws RetakeError  `config-unsupported` if it does not
 */
export function assertFieldDivides(
  source: ConfigSource,
  key: string,
  division: { readonly divisor: number; readonly of: number; readonly what: string },
): void {
  if (division.of % division.divisor === 0) return;
  throw refusal(source, key, `a divisor of the ${division.of} ${division.what}`);
}
