/** Translates the WebAssembly text of packages/model into the TypeScript that carries its bytes. */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import openWabt from "wabt";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../packages/model/src/tuning");
const source = join(folder, "adamw.wat");
export const target = join(folder, "adamw-wasm.ts");

/** The TypeScript module that belongs to the text as it is now. */
export async function adamwModule() {
  const wabt = await openWabt();
  const module = wabt.parseWat("adamw.wat", readFileSync(source, "utf8"), { simd: true });
  module.validate();
  const { buffer } = module.toBinary({});
  const text = Buffer.from(buffer).toString("base64");
  const lines = text.match(/.{1,90}/g) ?? [];
  return [
    "// Code generated from adamw.wat by `npm run wasm`. DO NOT EDIT.",
    "/** The WebAssembly module of adamw.wat, in base64. */",
    "export const adamwWasm =",
    `${lines.map((line) => `  "${line}"`).join(" +\n")};`,
    "",
  ].join("\n");
}

export async function wasm() {
  writeFileSync(target, await adamwModule());
  return 0;
}
