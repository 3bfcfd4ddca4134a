import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DecodedClip } from "@retake/coordinator";
import { writeAtomically } from "@retake/coordinator";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { type FileDigest, fileDigest } from "../cache/file-digest.js";
import { assertReadable } from "../errors/missing-file.js";
import type { PhaseTime } from "../progress/reporter.js";
import { decodeSettings } from "../settings/chosen-settings.js";
import type { PartialSettings, Settings } from "../settings/setting-specs.js";
import { manifestName } from "./result-folder.js";

const formatName = "retake-manifest";
const formatVersion = 1;

/** What a run was asked for; with the same clip, model and terms it gives the same files. */
export interface ManifestRequest {
  readonly command: "edit" | "tune" | "invert" | "sample";
  readonly source: string | null;
  readonly prompts: readonly string[];
  readonly negative: string;
  readonly settings: Settings;
}

/** Everything that a result says of itself. Only `timings` differs when it is made again. */
export interface Manifest extends ManifestRequest {
  readonly format: typeof formatName;
  readonly version: typeof formatVersion;
  readonly clip: {
    readonly path: string;
    readonly sha256: string;
    readonly hash: string;
    readonly rate: string;
    readonly startS: number;
    readonly durationS: number;
  };
  readonly model: {
    readonly source: string;
    readonly revision: string | null;
    readonly name: string;
    readonly hash: string;
  };
  /** Files that took the place of a phase, by what they are. */
  readonly given: Readonly<Record<string, string>>;
  /** Two runs with the same one give the same bits. */
  readonly numericsId: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly tuning: Readonly<Record<string, unknown>> | null;
  readonly files: Readonly<Record<string, FileDigest>>;
  readonly timings: Readonly<Record<string, PhaseTime>>;
}

/** `30000/1001`, as containers have it. */
export function rateOf({ rate }: DecodedClip): string {
  return `${rate.numerator}/${rate.denominator}`;
}

/** Writes the manifest into a result's folder: it names every other file there by its digest. */
export async function writeManifest(
  workPath: string,
  about: Omit<Manifest, "format" | "version" | "files">,
): Promise<Manifest> {
  const files: Record<string, FileDigest> = {};
  for (const name of (await readdir(workPath)).sort()) {
    files[name] = await fileDigest(join(workPath, name));
  }
  const { timings, ...rest } = about;
  const manifest = { format: formatName, version: formatVersion, ...rest, files, timings } as const;
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await writeAtomically(join(workPath, manifestName), (temporary) => writeFile(temporary, text));
  return manifest;
}

/** What is needed of a manifest to make its result again. */
export interface ManifestToRun {
  readonly source: string;
  readonly prompts: readonly string[];
  readonly negative: string;
  readonly settings: PartialSettings;
  readonly clip: { readonly path: string; readonly sha256: string };
  readonly model: {
    readonly source: string;
    readonly revision: string | undefined;
    readonly hash: string;
  };
  readonly numericsId: string;
}

/**
 * Reads a manifest of an edit.
 *
 * @throws RetakeError  `file-not-found`, `file-malformed`, `bad-option`
 */
export async function readManifest(path: string): Promise<ManifestToRun> {
  await assertReadable(path, { what: "a manifest.json" });
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw fromUnknown(thrown, `reading ${path}`);
  });
  const fields = objectOf(parsed(text, path));
  const { format, version, command, prompts } = fields;
  if (format !== formatName || version !== formatVersion) {
    throw malformed(path, `a ${formatName} of version ${formatVersion}`);
  }
  if (command !== "edit") throw malformed(path, "the manifest of an edit");
  const [clip, model] = [objectOf(fields.clip), objectOf(fields.model)];
  const words = (value: unknown, name: string): string => {
    if (typeof value === "string") return value;
    throw malformed(path, `a text under ${name}`);
  };
  if (!Array.isArray(prompts)) throw malformed(path, "a list under prompts");
  return {
    source: words(fields.source, "source"),
    prompts: prompts.map((prompt) => words(prompt, "prompts")),
    negative: words(fields.negative, "negative"),
    settings: decodeSettings(fields.settings, `${path}: settings`),
    clip: { path: words(clip.path, "clip.path"), sha256: words(clip.sha256, "clip.sha256") },
    model: {
      source: words(model.source, "model.source"),
      revision: typeof model.revision === "string" ? model.revision : undefined,
      hash: words(model.hash, "model.hash"),
    },
    numericsId: words(fields.numericsId, "numericsId"),
  };
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    throw malformed(path, "JSON", thrown);
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function malformed(path: string, expected: string, cause?: unknown): RetakeError {
  const message = `${path}: expected ${expected}, got something else; name a manifest.json`;
  return new RetakeError(Code.InvalidArgument, "file-malformed", message, { cause });
}
