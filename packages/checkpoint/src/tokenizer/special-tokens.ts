import { join } from "node:path";
import { RetakeError } from "@retake/errors";
import { malformed } from "../files/file-errors.js";
import { isObject, readJsonObject } from "../files/read-json.js";

type JsonObject = Readonly<Record<string, unknown>>;

export interface TokenizerSettings {
  /** The row's length, ends included: `model_max_length`. */
  readonly tokensMax: number;
  readonly begin: string;
  readonly end: string;
  readonly pad: string;
  readonly unknown: string;
  /** Texts that are one token wherever they stand in a prompt, beyond the four above. */
  readonly added: ReadonlyMap<string, number>;
  /** Further special tokens, which have their id from the vocabulary. */
  readonly additional: readonly string[];
}

/** CLIP's, where the files do not say. */
const tokensMaxDefault = 77;
/** Files that mean "no limit" hold 10^30. */
const tokensMaxMax = 4096;

/**
 * What the tokenizer's small files say, as the reference reads them: `special_tokens_map.json` wins
 * over `tokenizer_config.json`, unless that one lists its added tokens.
 *
 * @throws RetakeError  `file-malformed`
 */
export async function readTokenizerSettings(folder: string): Promise<TokenizerSettings> {
  const config = await readOptional(join(folder, "tokenizer_config.json"));
  const listed = config.added_tokens_decoder;
  const map =
    listed === undefined ? await readOptional(join(folder, "special_tokens_map.json")) : {};
  const token = (key: string, otherwise: string): string =>
    contentOf(map[key]) ?? contentOf(config[key]) ?? otherwise;
  const end = token("eos_token", "<|endoftext|>");
  const more = map.additional_special_tokens ?? config.additional_special_tokens;
  return {
    tokensMax: tokensMaxOf(config.model_max_length, folder),
    begin: token("bos_token", "<|startoftext|>"),
    end,
    pad: token("pad_token", end),
    unknown: token("unk_token", end),
    added: isObject(listed) ? addedTokens(listed) : await addedByFile(folder),
    additional: Array.isArray(more) ? more.map(contentOf).filter((text) => text !== undefined) : [],
  };
}

async function readOptional(path: string): Promise<JsonObject> {
  try {
    return await readJsonObject(path);
  } catch (thrown) {
    if (thrown instanceof RetakeError && thrown.reason === "file-not-found") return {};
    throw thrown;
  }
}

/** A token is a text, or an object that holds it. */
function contentOf(value: unknown): string | undefined {
  const text = isObject(value) ? value.content : value;
  return typeof text === "string" && text !== "" ? text : undefined;
}

function tokensMaxOf(value: unknown, folder: string): number {
  if (typeof value !== "number" || value > tokensMaxMax) return tokensMaxDefault;
  if (Number.isInteger(value) && value >= 3) return value;
  throw malformed(`${folder}: expected model_max_length of at least 3, got ${value}`);
}

function addedTokens(listed: JsonObject): ReadonlyMap<string, number> {
  const added = new Map<string, number>();
  for (const [id, value] of Object.entries(listed)) {
    const content = contentOf(value);
    if (content !== undefined && /^\d+$/.test(id)) added.set(content, Number(id));
  }
  return added;
}

async function addedByFile(folder: string): Promise<ReadonlyMap<string, number>> {
  const added = new Map<string, number>();
  for (const [content, id] of Object.entries(
    await readOptional(join(folder, "added_tokens.json")),
  )) {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0) added.set(content, id);
  }
  return added;
}
