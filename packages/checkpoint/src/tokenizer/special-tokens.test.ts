import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { readTokenizerSettings } from "./special-tokens.js";

async function settingsOf(files: Readonly<Record<string, unknown>>) {
  const folder = await temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, `${name}.json`), JSON.stringify(content));
  }
  return readTokenizerSettings(folder);
}

describe("readTokenizerSettings", () => {
  it("takes CLIP's own where the files say nothing", async () => {
    expect(await settingsOf({})).toEqual({
      tokensMax: 77,
      begin: "<|startoftext|>",
      end: "<|endoftext|>",
      pad: "<|endoftext|>",
      unknown: "<|endoftext|>",
      added: new Map(),
      additional: [],
    });
  });

  it("reads tokens written as texts and as objects", async () => {
    const config = { model_max_length: 24, bos_token: "<b>", eos_token: { content: "<e>" } };
    const settings = await settingsOf({ tokenizer_config: config });
    expect(settings).toMatchObject({ tokensMax: 24, begin: "<b>", end: "<e>", pad: "<e>" });
  });

  it("lets special_tokens_map win unless the config lists added tokens", async () => {
    const map = { pad_token: "!" };
    const old = { pad_token: "<|endoftext|>" };
    const files = { special_tokens_map: map, tokenizer_config: old };
    expect((await settingsOf(files)).pad).toBe("!");
    const listed = { ...old, added_tokens_decoder: { "7": { content: "<new>" } } };
    const settings = await settingsOf({ ...files, tokenizer_config: listed });
    expect(settings.pad).toBe("<|endoftext|>");
    expect(settings.added).toEqual(new Map([["<new>", 7]]));
  });

  it("reads added_tokens.json", async () => {
    const settings = await settingsOf({ added_tokens: { "<cat-toy>": 49408, "": "x" } });
    expect(settings.added).toEqual(new Map([["<cat-toy>", 49408]]));
  });

  it("takes 77 for a row without limit, and refuses a row without room", async () => {
    const limit = (length: unknown) =>
      settingsOf({ tokenizer_config: { model_max_length: length } });
    expect((await limit(1e30)).tokensMax).toBe(77);
    expect((await limit(3)).tokensMax).toBe(3);
    for (const length of [2, 0, -1, 2.5]) {
      expect((await failureOf(() => limit(length))).reason).toBe("file-malformed");
    }
  });
});
