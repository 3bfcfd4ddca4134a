import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { root } from "./render.js";

const program = join(root, "deploy/k8s/components/weights/fill-weights.mjs");
const demo = join(root, "models/demo");
const parts = ["model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"];

describe("fill-weights.mjs", () => {
  let folder: string;
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "retake-weights-")));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = async (mode: string, variables: Readonly<Record<string, string>> = {}) => {
    const env = { ...process.env, RETAKE_ROOT: root, TMPDIR: folder, ...variables };
    const { stdout } = await promisify(execFile)(process.execPath, [program, mode, folder], {
      env,
    });
    const told: { root: string; hash: string } = JSON.parse(stdout);
    return told;
  };

  const source = (): string => {
    const path = join(folder, "source");
    for (const part of parts) cpSync(join(demo, part), join(path, part), { recursive: true });
    return path;
  };

  it("fills a folder from a path, and finds it whole", async () => {
    const filled = await run("fill", { MODEL_SOURCE: demo });
    expect(realpathSync(join(folder, "current"))).toBe(join(folder, "copies", filled.hash));
    expect(readFileSync(join(folder, "current.sha256"), "utf8").trim()).toBe(filled.hash);
    expect((await run("check", { MODEL_HASH: filled.hash })).hash).toBe(filled.hash);
  });

  it("leaves what was there when it is filled again with the same", async () => {
    const first = await run("fill", { MODEL_SOURCE: demo });
    expect(await run("fill", { MODEL_SOURCE: demo, MODEL_HASH: first.hash })).toEqual(first);
  });

  it("refuses another model than the one that was asked for, and does not set it", async () => {
    const filling = run("fill", { MODEL_SOURCE: demo, MODEL_HASH: "0".repeat(64) });
    await expect(filling).rejects.toMatchObject({
      stderr: expect.stringContaining("expected hash"),
    });
    await expect(run("check")).rejects.toMatchObject({ code: 1 });
  });

  it("sees one changed byte of the weights", async () => {
    const { root: copy } = await run("fill", { MODEL_SOURCE: source() });
    const path = join(copy, "unet/diffusion_pytorch_model.safetensors");
    const bytes = readFileSync(path);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await expect(run("check")).rejects.toMatchObject({
      stderr: expect.stringContaining("expected hash"),
    });
  });
});
