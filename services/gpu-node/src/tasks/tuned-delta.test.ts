import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counted, fakeFiles, filled } from "../testing/fake-model.js";
import { openDelta, readTensors, saveDelta, writeTensors } from "./tuned-delta.js";
import { tuningLayout } from "./tuned-tensors.js";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "retake-delta-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const files = fakeFiles();
const header = {
  ...{ baseHash: files.hash, clipHash: "c11b", prompts: ["a car"], seed: 3, step: 9 },
  ...({ mode: "paper", settings: { rate: 0.1 } } as const),
};
const tensors = Object.fromEntries(
  tuningLayout(files, "paper").entries.map(({ name, shape, begin }) => [
    name,
    counted(shape, begin),
  ]),
);

describe("openDelta", () => {
  it("gives back what was saved", async () => {
    const path = join(folder, "delta.safetensors");
    await saveDelta(path, { tensors, header });
    expect(await openDelta(path, files)).toEqual({ tensors, header, warning: undefined });
  });

  it("warns of another base of the same shapes, and refuses one of others", async () => {
    const path = join(folder, "delta.safetensors");
    await saveDelta(path, { tensors, header });
    const { warning } = await openDelta(path, { ...files, hash: "0123" });
    expect(warning).toContain("tuned on another base");
    const fewer = { ...tensors };
    delete fewer[Object.keys(fewer)[0] ?? ""];
    await saveDelta(path, { tensors: fewer, header });
    await expect(openDelta(path, files)).rejects.toMatchObject({ reason: "tensor-missing" });
  });
});

describe("readTensors", () => {
  it("gives back the named tensors, and refuses a file without one", async () => {
    const path = join(folder, "two.safetensors");
    await writeTensors(path, { a: counted([2, 3]), b: filled([], 4) });
    expect(await readTensors(path, ["a", "b"])).toEqual({ a: counted([2, 3]), b: filled([], 4) });
    await expect(readTensors(path, ["c"])).rejects.toMatchObject({ reason: "tensor-missing" });
  });
});
