/**
 * `npm run bench:determinism`: the same seed twice, in two processes: are all tensors and all
 * files of the result the same, to the bit?
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";
import { runForJson } from "./child-run.js";
import { retakeProgram, tinyCheckpoint } from "./places.js";
import { publishReport, type Row, runBench } from "./report.js";
import { createTestClip } from "./test-clip.js";

const usage = `npm run bench:determinism -- [options]
  --only SIZES   some of tiny,sd,files (default all)
  --threads N    default 2
  --record       write the table to bench/RESULTS.md`;

/** What is done at each size. */
const works = {
  tiny: ["--size", "tiny", "--frames", "8", "--pixels", "64", "--steps", "3", "--ddim", "3"],
  sd: ["--size", "sd", "--frames", "2", "--pixels", "128", "--steps", "1", "--ddim", "2"],
} as const;
type Size = keyof typeof works;

/** Compares what two runs say, name by name; a name that only one has differs. */
function comparisonRows(what: string, first: JsonObject, second: JsonObject): Row[] {
  const names = new Set([...Object.keys(first), ...Object.keys(second)]);
  return [...names].map((name) => {
    const [a, b] = [first[name], second[name]].map((hash) => String(hash).slice(0, 16));
    return { cells: [`${what}: ${name}`, a ?? "", b ?? ""], isMet: a === b };
  });
}

async function tensorRows(size: Size, threads: string): Promise<Row[]> {
  const worker = fileURLToPath(new URL("./determinism-run.js", import.meta.url));
  const command = [process.execPath, worker, ...works[size], "--threads", threads];
  const first = await runForJson(command);
  const second = await runForJson(command);
  return comparisonRows(size === "sd" ? "SD size" : "tiny", first.json, second.json);
}

/** Every file of an edit's result by its digest; the manifest itself holds timings. */
async function fileRows(threads: string): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "retake-determinism-"));
  try {
    const clip = await createTestClip(folder, { frames: 8, pixels: 64 });
    const found: JsonObject[] = [];
    for (const name of ["first", "second"]) {
      const out = join(folder, name);
      const settings = ["--frames", "8", "--size", "64x64", "--steps", "4", "--ddim", "4"];
      const prompts = ["--source", "a man is skiing", "--prompt", "a bear is skiing"];
      const where = ["--model", tinyCheckpoint, "--out", out, "--threads", threads];
      const command = [process.execPath, retakeProgram, "edit", clip, "--no-cache", "--json"];
      await runForJson([...command, ...where, ...settings, ...prompts]);
      const manifest = jsonObject(JSON.parse(await readFile(join(out, "manifest.json"), "utf8")));
      const digests = Object.entries(jsonObject(manifest.files)).map(([file, digest]) => {
        return [file, jsonObject(digest).sha256] as const;
      });
      found.push(Object.fromEntries(digests));
    }
    return comparisonRows("retake edit", found[0] ?? {}, found[1] ?? {});
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "tiny,files,sd" },
      threads: { type: "string", default: "2" },
      record: { type: "boolean", default: false },
    },
  });
  const rows: Row[] = [];
  for (const part of values.only.split(",")) {
    if (part === "files") rows.push(...(await fileRows(values.threads)));
    else if (part === "tiny" || part === "sd")
      rows.push(...(await tensorRows(part, values.threads)));
    else throw new Error(`--only: there is no ${part}`);
  }
  const notes = [
    `Two processes each, ${values.threads} threads, the same seed; the first digits of SHA-256.`,
    "tiny: 8 frames of 64x64 pixels, 3 steps of 2 draws, 3 + 3 iterations. SD size: 2 frames of " +
      "128x128 pixels, 1 step of 2 draws, 2 + 2 iterations.",
    "Fast and low memory give the same bits where their hashes are the same.",
  ];
  const columns = ["what", "first process", "second process"];
  return publishReport({ title: "bench:determinism", columns, rows, notes }, values);
}

await runBench(main, usage);
