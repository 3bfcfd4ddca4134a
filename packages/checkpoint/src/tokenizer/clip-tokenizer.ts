import { join } from "node:path";
import { Tokenizer as BytePairTokenizer } from "@huggingface/tokenizers";
import { Code, RetakeError } from "@retake/errors";
import { malformed, shown } from "../files/file-errors.js";
import { readJsonObject, readText } from "../files/read-json.js";
import { cleanText } from "./clean-text.js";
import { readTokenizerSettings, type TokenizerSettings } from "./special-tokens.js";

/** A prompt may have this many characters; a text encoder sees a few hundred of them at most. */
export const promptCharactersMax = 2000;

/** A prompt as the text encoder takes it. */
export interface PromptTokens {
  /** Begin, the text, end, then padding: as many ids as the text encoder has positions. */
  readonly ids: Int32Array;
  /** Ids before the padding, both ends included. */
  readonly length: number;
  /** Whether the end of the prompt was cut off to fit. */
  readonly truncated: boolean;
}

export interface Tokenizer {
  /** Ids per prompt. */
  readonly tokensMax: number;
  /**
   * The ids of a prompt; the empty prompt is one.
   *
   * @throws RetakeError  `prompt-too-long` for more than `promptCharactersMax` characters
   */
  readonly tokenize: (prompt: string) => PromptTokens;
}

/** The reference's own limit on the merges that it reads. */
const mergesMax = 49_152 - 256 - 2;
/** Words, single digits, and runs of anything else; common English endings apart. */
const wordPattern =
  /<\|(?:start|end)oftext\|>|'(?:[st\u017fmd]|re|ve|ll)|\p{L}+|\p{N}|[^ \p{L}\p{N}]+/gu;
const literalTokens = new Set(["<|startoftext|>", "<|endoftext|>"]);

/**
 * Reads a CLIP tokenizer from the folder's `vocab.json`, `merges.txt` and small files.
 *
 * @throws RetakeError  `file-not-found`, `file-malformed`
 * @source `CLIPTokenizer` of transformers 4.48 with ftfy, which is what the authors' run uses
 */
export async function createTokenizer(folder: string): Promise<Tokenizer> {
  const settings = await readTokenizerSettings(folder);
  const vocabulary = await readVocabulary(join(folder, "vocab.json"));
  const merges = await readMerges(join(folder, "merges.txt"));
  for (const token of [settings.begin, settings.end, settings.pad, settings.unknown]) {
    if (vocabulary.has(token) || settings.added.has(token)) continue;
    throw malformed(`${folder}: expected the token ${shown(token)} in vocab.json, got none`);
  }
  const idOf = (token: string): number => vocabulary.get(token) ?? settings.added.get(token) ?? 0;
  const bytePairs = createBytePairs(vocabulary, merges, settings);
  const special = specialPattern(settings);
  const { tokensMax } = settings;

  const wordIds = (word: string): readonly number[] =>
    literalTokens.has(word) ? [idOf(word)] : bytePairs(word);
  const textIds = (text: string): readonly number[] =>
    (cleanText(text).match(wordPattern) ?? []).flatMap(wordIds);
  const tokenize = (prompt: string): PromptTokens => {
    assertLength(prompt);
    const pieces = prompt.split(special);
    const ids = pieces.flatMap((piece, at) => (at % 2 === 1 ? [idOf(piece)] : textIds(piece)));
    const kept = ids.slice(0, tokensMax - 2);
    const row = new Int32Array(tokensMax).fill(idOf(settings.pad));
    row.set([idOf(settings.begin), ...kept, idOf(settings.end)]);
    return { ids: row, length: kept.length + 2, truncated: kept.length < ids.length };
  };
  return { tokensMax, tokenize };
}

function assertLength(prompt: string): void {
  if (prompt.length <= promptCharactersMax) return;
  const expected = `expected at most ${promptCharactersMax} characters`;
  const message = `prompt: ${expected}, got ${prompt.length}; shorten it`;
  throw new RetakeError(Code.InvalidArgument, "prompt-too-long", message);
}

/** Splits a prompt at the tokens that stand for themselves, the longest first. */
function specialPattern(settings: TokenizerSettings): RegExp {
  const { begin, end, pad, unknown, additional, added } = settings;
  const tokens = [...new Set([begin, end, pad, unknown, ...additional, ...added.keys()])]
    .sort((a, b) => b.length - a.length)
    .map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`(${tokens.join("|")})`);
}

/** Byte-pair encoding of one word: the library's, with CLIP's end-of-word mark. */
function createBytePairs(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly (readonly [string, string])[],
  { unknown, added }: TokenizerSettings,
): (word: string) => readonly number[] {
  const unknownId = vocabulary.get(unknown) ?? added.get(unknown);
  const tokenizer = new BytePairTokenizer(
    {
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      post_processor: null,
      decoder: null,
      added_tokens: [],
      model: {
        type: "BPE",
        vocab: Object.fromEntries([...vocabulary, [unknown, unknownId]]),
        merges,
        unk_token: unknown,
        end_of_word_suffix: "</w>",
      },
    },
    {},
  );
  return (word) => tokenizer.encode(word, { add_special_tokens: false }).ids;
}

async function readVocabulary(path: string): Promise<ReadonlyMap<string, number>> {
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(await readJsonObject(path))) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id > 0x7fffffff) {
      throw malformed(`${path}: expected an id for ${shown(token)}, got ${shown(id)}`);
    }
    vocabulary.set(token, id);
  }
  if (vocabulary.size === 0) throw malformed(`${path}: expected tokens, got none`);
  return vocabulary;
}

async function readMerges(path: string): Promise<readonly (readonly [string, string])[]> {
  const lines = (await readText(path))
    .trim()
    .split("\n")
    .slice(1, mergesMax + 1);
  return lines.map((line) => {
    const [first, second, ...more] = line.trim().split(/\s+/);
    if (first === undefined || second === undefined || more.length > 0) {
      throw malformed(`${path}: expected two tokens a line, got ${shown(line)}`);
    }
    return [first, second] as const;
  });
}
