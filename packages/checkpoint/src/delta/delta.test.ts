import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readFloat32 } from "../safetensors/read.js";
import { writeSafetensors } from "../safetensors/write.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { checkDelta, type DeltaHeader, readDelta, writeDelta } from "./delta.js";

const header: DeltaHeader = {
  baseHash: "a".repeat(64),
  clipHash: "b".repeat(64),
  prompts: ['a man is "skiing"', "höher\n"],
  seed: 33,
  step: 300,
  mode: "paper",
  settings: { rate: 3e-5, draws: 1, nested: { list: [1, null] } },
};
const tensors = new Map([
  ["mid.attn1.to_q.weight", { shape: [1, 2], data: Float32Array.of(1, -2) }],
  ["mid.attn_temp.to_k.weight", { shape: [1], data: Float32Array.of(0.1) }],
]);
const expected = new Map([
  ["mid.attn1.to_q.weight", [1, 2]],
  ["mid.attn_temp.to_k.weight", [1]],
]);

async function writtenDelta() {
  const path = join(await temporaryFolder(), "x.safetensors");
  await writeDelta(path, { tensors, header });
  return readDelta(path);
}

describe("writeDelta and readDelta", () => {
  it("give back header and tensors", async () => {
    const delta = await writtenDelta();
    expect(delta.header).toEqual(header);
    expect([...delta.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
    for (const [name, { data }] of tensors) {
      const entry = delta.tensors.get(name);
      expect(entry && (await readFloat32(entry))).toEqual(data);
    }
  });

  it("write the same bytes for the same delta", async () => {
    const [one, other] = [await writtenDelta(), await writtenDelta()];
    expect(await readFile(one.path)).toEqual(await readFile(other.path));
  });
});

describe("readDelta", () => {
  const metadata = {
    format: "retake-delta",
    version: "1",
    base_hash: "a",
    clip_hash: "b",
    prompts: "[]",
    seed: "0",
    step: "0",
    mode: "reference",
    settings: "{}",
  };

  async function reasonWith(change: Readonly<Record<string, string | undefined>>) {
    const path = join(await temporaryFolder(), "x.safetensors");
    const entries = Object.entries({ ...metadata, ...change });
    const texts = entries.filter((entry): entry is [string, string] => entry[1] !== undefined);
    await writeSafetensors(path, new Map(), new Map(texts));
    return failureOf(() => readDelta(path));
  }

  it.each([
    ["a checkpoint", { format: undefined }],
    ["another format", { format: "pt" }],
    ["a later version", { version: "2" }],
    ["a missing field", { clip_hash: undefined }],
    ["prompts that are no texts", { prompts: "[1]" }],
    ["prompts that are no JSON", { prompts: "[" }],
    ["a seed that is no number", { seed: "1e3" }],
    ["a negative step", { step: "-1" }],
    ["an unknown mode", { mode: "fast" }],
    ["settings that are no object", { settings: "[]" }],
  ])("refuses %s", async (_, change) => {
    expect((await reasonWith(change)).reason).toBe("file-malformed");
  });
});

describe("checkDelta", () => {
  it("says that the base is the tuned one", async () => {
    const base = { hash: header.baseHash, expected };
    expect(checkDelta(await writtenDelta(), base)).toEqual({ sameBase: true });
  });

  it("lets another base of the same shapes pass, with a warning that names both", async () => {
    const fit = checkDelta(await writtenDelta(), { hash: "c".repeat(64), expected });
    expect(fit).toMatchObject({
      sameBase: false,
      warning: expect.stringContaining("expected aaaaaaaaaaaa, got cccccccccccc"),
    });
  });

  it("refuses a base of other shapes or other tensors", async () => {
    const delta = await writtenDelta();
    const check = (change: ReadonlyMap<string, readonly number[]>) =>
      failureOf(() => checkDelta(delta, { hash: header.baseHash, expected: change }));
    const wider = new Map([...expected, ["mid.attn_temp.to_k.weight", [2]]] as const);
    expect((await check(wider)).reason).toBe("tensor-shape");
    expect((await check(new Map([...expected, ["more", [1]]]))).reason).toBe("tensor-missing");
    expect((await check(new Map([...expected].slice(1)))).reason).toBe("tensor-surplus");
  });
});
