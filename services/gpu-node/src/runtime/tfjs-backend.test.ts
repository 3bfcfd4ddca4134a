import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadTfjsBackend } from "./tfjs-backend.js";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "retake-binding-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Installs a package of one file into the folder. */
function install(name: string, manifest: object, source: string): void {
  const path = join(folder, "node_modules", name, "index.js");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  writeFileSync(join(dirname(path), "package.json"), JSON.stringify({ name, ...manifest }));
}

const copies = ["@tensorflow/tfjs", "@tensorflow/tfjs-core"];
const binding = "@tensorflow/tfjs-node";
const version = tf.version_core;

describe("loadTfjsBackend", () => {
  it("computes in plain JavaScript where no binding is installed", async () => {
    expect(await loadTfjsBackend(1, undefined)).toBeUndefined();
    expect(tf.getBackend()).toBe("cpu");
  });

  it("hands the model's own TensorFlow.js to a binding that has a copy", async () => {
    for (const name of copies) install(name, { version }, "exports.isCopy = true;");
    const source = copies.map((name) => `exports["${name}"] = require("${name}");`).join("\n");
    install(binding, { version }, source);
    expect(await loadTfjsBackend(1, folder)).toBe(binding);
    const loaded = createRequire(join(folder, "package.json"))(binding);
    for (const name of copies) {
      expect(loaded[name].isCopy).toBeUndefined();
      expect(loaded[name].engine()).toBe(tf.engine());
    }
  });

  it("prefers the package for GPUs", async () => {
    for (const name of copies) install(name, { version }, "");
    for (const name of [binding, `${binding}-gpu`]) install(name, { version }, "");
    expect(await loadTfjsBackend(1, folder)).toBe(`${binding}-gpu`);
  });

  it("refuses a named folder without a binding", async () => {
    const error = { reason: "engine-unavailable", message: expect.stringContaining(folder) };
    await expect(loadTfjsBackend(1, folder)).rejects.toMatchObject(error);
  });

  it("refuses a binding of another version", async () => {
    install(binding, { version: "4.0.0" }, "");
    const message = expect.stringContaining(`expected ${binding} ${version}, got 4.0.0`);
    await expect(loadTfjsBackend(1, folder)).rejects.toMatchObject({ message });
  });

  it("refuses a binding that does not load, rather than be slow in silence", async () => {
    for (const name of copies) install(name, { version }, "");
    install(binding, { version }, 'throw new Error("no native addon\\nand more");');
    const error = {
      reason: "engine-unavailable",
      message: expect.stringMatching(/to load, got "no native addon"; remove it, or build it/),
    };
    await expect(loadTfjsBackend(1, folder)).rejects.toMatchObject(error);
  });
});
