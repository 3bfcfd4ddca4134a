import { readFileSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { testData } from "../testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { createTokenizer, promptCharactersMax } from "./clip-tokenizer.js";

const goldenData = fileURLToPath(new URL("../../../../test/golden/data", import.meta.url));
const golden: {
  cases: { text: string; ids: number[]; length: number; truncated: boolean }[];
} = JSON.parse(readFileSync(join(goldenData, "tokenizer.json"), "utf8"));

describe("createTokenizer, with CLIP's own vocabulary", async () => {
  const { tokenize, tokensMax } = await createTokenizer(join(goldenData, "tiny-sd", "tokenizer"));

  it.each(golden.cases)(
    "gives the reference's ids for $text",
    ({ text, ids, length, truncated }) => {
      const tokens = tokenize(text);
      expect([...tokens.ids]).toEqual(ids);
      expect(tokens).toMatchObject({ length, truncated });
    },
  );

  it("fills the row with a prompt of 75 tokens, and cuts off one more", () => {
    expect(tokensMax).toBe(77);
    expect(tokenize("word ".repeat(75))).toMatchObject({ length: 77, truncated: false });
    expect(tokenize("word ".repeat(76))).toMatchObject({ length: 77, truncated: true });
  });

  it("takes a prompt of as many characters as are allowed, and refuses one more", async () => {
    expect(tokenize("a".repeat(promptCharactersMax)).ids).toHaveLength(77);
    for (const length of [promptCharactersMax + 1, 10_000, 10_000_000]) {
      const failure = await failureOf(() => tokenize("a".repeat(length)));
      expect(failure.reason).toBe("prompt-too-long");
      expect(failure.message).toContain(`got ${length}`);
    }
  });

  it("knows its own marks in capitals, but only where a word begins", () => {
    const idsOf = (text: string) => [...tokenize(text).ids].slice(1, tokenize(text).length - 1);
    expect(idsOf("<|STARTOFTEXT|>")).toEqual([49406]);
    expect(idsOf("!<|startoftext|>")).toEqual([256, 49406]);
    expect(idsOf("!<|STARTOFTEXT|>")).not.toContain(49406);
  });
});

describe("createTokenizer, with a vocabulary of 719 entries", () => {
  const folder = join(testData, "tiny-tokenizer");
  const row = (ids: readonly number[]) => [...ids, ...Array(24 - ids.length).fill(718)];

  it.each([
    ["", [717]],
    ["a red cat is jumping on the beach", [717, 353, 570, 523, 513, 591, 516, 515, 610]],
    ["Zebra 42!", [717, 122, 101, 98, 114, 353, 308, 306, 289]],
    ["a <|endoftext|> b", [717, 353, 718, 354]],
  ])("gives the reference's ids for %j", async (text, ids) => {
    const { tokenize } = await createTokenizer(folder);
    expect([...tokenize(text).ids]).toEqual(row(ids));
  });

  async function changedFolder(files: Readonly<Record<string, string>>) {
    const copy = await temporaryFolder();
    await cp(folder, copy, { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(copy, name), text);
    return copy;
  }

  it("splits at tokens that were added, the longest first", async () => {
    const added = '{"<cat>": 719, "<cat>s": 720}';
    const config = '{"model_max_length": 8}';
    const files = { "added_tokens.json": added, "tokenizer_config.json": config };
    const { tokenize } = await createTokenizer(await changedFolder(files));
    expect([...tokenize("<cat><cat>s").ids]).toEqual([717, 719, 720, 718, 718, 718, 718, 718]);
  });

  it("skips the first line of the merges, whatever it says", async () => {
    const changed = await changedFolder({ "merges.txt": "made by hand\nc a\nca t</w>\n" });
    const { tokenize } = await createTokenizer(changed);
    expect(tokenize("cat").length).toBe(3);
  });

  it.each([
    ["a vocabulary that is no object", { "vocab.json": "[]" }],
    ["an empty one", { "vocab.json": "{}" }],
    ["one with a text as id", { "vocab.json": '{"a": "1"}' }],
    ["one with a negative id", { "vocab.json": '{"a": -1}' }],
    [
      "one without the end token",
      { "vocab.json": '{"a": 1, "<|startoftext|>": 2}', "tokenizer_config.json": "{}" },
    ],
    ["a merge of three", { "merges.txt": "#version: 0.2\na b c\n" }],
    ["a merge of one", { "merges.txt": "#version: 0.2\nab\n" }],
  ])("refuses %s", async (_, files) => {
    const changed = await changedFolder(files);
    expect((await failureOf(() => createTokenizer(changed))).reason).toBe("file-malformed");
  });

  it("says which file is missing", async () => {
    const failure = await failureOf(() => createTokenizer("/nowhere"));
    expect(failure.reason).toBe("file-not-found");
    expect(failure.message).toContain("/nowhere/vocab.json");
  });
});
