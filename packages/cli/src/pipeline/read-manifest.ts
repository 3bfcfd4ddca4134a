import { readFile } from "node:fs/promises";
import { manifestFormat, manifestVersion } from "@retake/coordinator/result";
import { decodeSettings, type PartialSettings } from "@retake/coordinator/settings";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { assertReadable } from "../errors/missing-file.js";

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
  if (format !== manifestFormat || version !== manifestVersion) {
    throw malformed(path, `a ${manifestFormat} of version ${manifestVersion}`);
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
