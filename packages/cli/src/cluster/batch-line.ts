import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { badOption, checkPrompts, decodeSettings } from "@retake/coordinator/settings";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { type EditToSubmit, layoutOf, prioritySpec } from "./edit-to-submit.js";

/** One edit of a batch. */
export interface BatchLine {
  /** Counted from 1. */
  readonly line: number;
  /** Names the edit within the batch, and its folder. */
  readonly id: string;
  readonly clipPath: string;
  readonly edit: EditToSubmit;
}

/** A line that cannot be used, and why. */
export interface BadLine {
  readonly line: number;
  readonly id: string;
  readonly error: RetakeError;
}

const fields = [
  ...["id", "clip", "source", "prompt", "prompts", "negative", "model", "priority", "layout"],
  "settings",
] as const;
type Field = (typeof fields)[number];
type Fields = Readonly<Partial<Record<Field, unknown>>>;

/**
 * Reads a batch: an object of JSON a line; empty lines say nothing.
 *
 * @param defaults  what a line does not say
 * @param folder    where relative paths of clips begin
 */
export function batchLines(
  text: string,
  { defaults, folder }: { readonly defaults: EditToSubmit; readonly folder: string },
): readonly (BatchLine | BadLine)[] {
  const ids = new Set<string>();
  const read: (BatchLine | BadLine)[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const where = `line ${index + 1}`;
    let id = `line-${index + 1}`;
    try {
      const given = fieldsOf(line, where);
      id = idOf(given.id ?? id, where);
      if (ids.has(id)) throw badOption(`${where}: id`, { expected: "one of its own", got: id });
      ids.add(id);
      read.push({ line: index + 1, id, ...editOf(given, { defaults, folder, where }) });
    } catch (thrown) {
      read.push({ line: index + 1, id, error: fromUnknown(thrown, where) });
    }
  }
  return read;
}

/** The same line for the same video is the same request, in whichever run of the batch. */
export function requestIdOf({ id, edit }: BatchLine, videoId: string): string {
  const { settings, ...rest } = edit;
  const sorted = Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1));
  const said = JSON.stringify([id, videoId, rest, sorted]);
  return `batch-${createHash("sha256").update(said).digest("hex").slice(0, 40)}`;
}

interface Place {
  readonly defaults: EditToSubmit;
  readonly folder: string;
  readonly where: string;
}

function editOf(given: Fields, { defaults, folder, where }: Place) {
  const text = (name: Field, fallback: string): string => textOf(given[name] ?? fallback, where);
  const source = text("source", defaults.source);
  const prompts = promptsOf(given, { defaults, where });
  const negative = text("negative", defaults.negative);
  checkPrompts({ source: source === "" ? undefined : source, prompts, negative });
  const settings = decodeSettings(given.settings ?? {}, `${where}: settings`);
  const clip = text("clip", "");
  if (clip === "") throw badOption(`${where}: clip`, { expected: "a video's path", got: clip });
  return {
    clipPath: resolve(folder, clip),
    edit: {
      ...{ source, prompts, negative, model: text("model", defaults.model) },
      priority: prioritySpec.decode(given.priority ?? defaults.priority, `${where}: priority`),
      layout: layoutOf(given.layout ?? defaults.layout, `${where}: layout`),
      settings: { ...defaults.settings, ...settings },
      snapshotEverySteps: defaults.snapshotEverySteps,
      ...{ startWithinMs: defaults.startWithinMs, finishWithinMs: defaults.finishWithinMs },
    },
  };
}

function fieldsOf(line: string, where: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (thrown) {
    throw malformed(`${where}: expected an object of JSON, got something else`, thrown);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${where}: expected an object of JSON, got ${typeof value}`);
  }
  const unknown = Object.keys(value).find((name) => !fields.includes(name as Field));
  if (unknown === undefined) return value;
  const shown = JSON.stringify(unknown.slice(0, 60));
  throw malformed(`${where}: expected fields (${fields.join(", ")}), got ${shown}`);
}

function idOf(value: unknown, where: string): string {
  if (typeof value === "string" && /^[A-Za-z0-9][\w.-]{0,79}$/.test(value)) return value;
  const expected = "letters, digits, points, dashes, 80 at most";
  throw badOption(`${where}: id`, { expected, got: value });
}

function promptsOf(
  { prompt, prompts }: Fields,
  { defaults, where }: Pick<Place, "defaults" | "where">,
): readonly string[] {
  if (prompt !== undefined && prompts !== undefined) {
    throw badOption(`${where}: prompt`, { expected: "either prompt or prompts", got: "both" });
  }
  const given = prompts ?? (prompt === undefined ? defaults.prompts : [prompt]);
  if (!Array.isArray(given))
    throw badOption(`${where}: prompts`, { expected: "a list", got: given });
  return given.map((each: unknown) => textOf(each, where));
}

function textOf(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  throw badOption(where, { expected: "text", got: value });
}

function malformed(message: string, cause?: unknown): RetakeError {
  return new RetakeError(Code.InvalidArgument, "file-malformed", message, { cause });
}
