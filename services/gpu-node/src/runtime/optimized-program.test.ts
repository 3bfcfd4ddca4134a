import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lowerToOnnx } from "@retake/compile";
import * as ort from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { withBlockedConvolutions } from "./blocked-convolutions.js";
import { openOptimized } from "./optimized-program.js";
import { convolutionChannels, twiceComputed } from "./testing/convolution-graph.js";

const root = mkdtempSync(join(tmpdir(), "retake-optimized-"));
afterAll(() => rmSync(root, { recursive: true }));

const model = lowerToOnnx(twiceComputed(), {
  target: "cpu",
  weights: (name) => {
    throw new Error(`there is no ${name}`);
  },
});
const options = withBlockedConvolutions({ extra: { session: {} }, logSeverityLevel: 4 });
const terms = { model, options, weightHashes: ["a"], machine: ["x64"] };
let folders = 0;
const newFolder = (): string => {
  folders += 1;
  return join(root, `${folders}`);
};

async function bitsOf(session: ort.InferenceSession): Promise<readonly number[]> {
  const shape = [1, convolutionChannels, 4, 4];
  const data = new Float32Array(shape.reduce((a, b) => a * b)).map((_, i) => Math.cos(i));
  const { y } = await session.run({ x: new ort.Tensor("float32", data, shape) });
  await session.release();
  const values = Float32Array.from(y?.data as Float32Array);
  return [...new Uint32Array(values.buffer)];
}

describe("openOptimized", () => {
  it("gives the bits of a program that is optimized anew, and keeps one whole file", async () => {
    const folder = newFolder();
    const plain = await bitsOf(await ort.InferenceSession.create(model, options));
    expect(await bitsOf(await openOptimized(terms, folder))).toEqual(plain);
    const files = readdirSync(folder);
    expect(files).toHaveLength(1);
    expect(await bitsOf(await openOptimized(terms, folder))).toEqual(plain);
    expect(readdirSync(folder)).toEqual(files);
    const kept = readFileSync(join(folder, files[0] ?? ""), "latin1");
    if (process.arch === "x64") expect(kept).toContain("com.microsoft.nchwc");
  });

  it("reads what is kept, and nothing else that is like it", async () => {
    const folder = newFolder();
    await (await openOptimized(terms, folder)).release();
    const others = [
      { weightHashes: ["b"] },
      { machine: ["x64", "avx2"] },
      { options: { ...options, intraOpNumThreads: 1 } },
    ];
    for (const [at, other] of others.entries()) {
      await (await openOptimized({ ...terms, ...other }, folder)).release();
      expect(readdirSync(folder)).toHaveLength(2 + at);
    }
  });

  it("makes anew what is damaged", async () => {
    const folder = newFolder();
    const plain = await bitsOf(await openOptimized(terms, folder));
    const path = join(folder, readdirSync(folder)[0] ?? "");
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length / 2));
    expect(await bitsOf(await openOptimized(terms, folder))).toEqual(plain);
    expect(readFileSync(path).length).toBe(whole.length);
  });

  it("opens where nothing can be kept, and refuses what is no program", async () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    const session = await openOptimized(terms, join(file, "folder"));
    expect(await bitsOf(session)).toHaveLength(convolutionChannels * 16);
    const folder = newFolder();
    const none = { ...terms, model: Uint8Array.of(1, 2, 3) };
    await expect(openOptimized(none, folder)).rejects.toThrow();
    expect(readdirSync(folder)).toEqual([]);
  });
});
