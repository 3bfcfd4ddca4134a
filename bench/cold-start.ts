/**
 * `npm run bench:cold-start`: from the start of a process to a program that can run, at the size
 * of Stable Diffusion 1.x: with an empty cache, from the cache, and how large the JavaScript
 * heap grows.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { jsonObject } from "../test/golden/json-object.js";
import { type ChildResult, runForJson, smallest } from "./child-run.js";
import { refuseBusyMachine } from "./machine.js";
import { atMost, publishReport, type Row, runBench } from "./report.js";
import { sdSizeFolder } from "./sd-size.js";
import { figureSizes, type PassKind, passKind, passKinds } from "./sd-size-pass.js";

const usage = `npm run bench:cold-start -- [options]
  --what KINDS   some of forward,fast,low (default all)
  --runs N       processes of each (default 3)
  --threads N    default 2
  --record       write the table to bench/RESULTS.md
  --force        measure on a busy machine, too`;

/** Seconds with an empty cache; from the cache, half. */
const secondsMax: Readonly<Record<PassKind, number>> = { forward: 20, fast: 30, low: 30 };
const heapMax = 512;
const mebibytes = 1024 ** 2;

const names: Readonly<Record<PassKind, string>> = {
  forward: "forward",
  fast: "gradients, fast",
  low: "gradients, low memory",
};

interface Start {
  readonly open: number;
  readonly load: number;
  readonly total: number;
}

function command(kind: PassKind, cache: string, flags: readonly string[] = []): string[] {
  const worker = fileURLToPath(new URL("./cold-start-run.js", import.meta.url));
  return [process.execPath, ...flags, worker, "--what", kind, "--cache", cache];
}

function startOf({ json }: ChildResult): Start {
  const seconds = jsonObject(json.seconds);
  const of = (name: string): number => Number(seconds[name]);
  return { open: of("open"), load: of("load"), total: of("total") };
}

function least(starts: readonly Start[]): Start {
  const of = (name: keyof Start): number => smallest(starts.map((start) => start[name]));
  return { open: of("open"), load: of("load"), total: of("total") };
}

/**
 * The largest heap of each isolate of a process (its threads have one each), as V8 found it
 * before it collected garbage, summed; in bytes.
 */
function heapPeak(trace: string): number {
  const peaks = new Map<string, number>();
  // [1234:0x5581]   56 ms: Scavenge 12.3 (15.0) -> 11.9 (16.0) MB, ...
  for (const match of trace.matchAll(
    /^\[\d+:(0x[0-9a-f]+)[^\]]*\].*?: .*? ([\d.]+) \([\d.]+\) ->/gm,
  )) {
    const [, isolate = "", used] = match;
    peaks.set(isolate, Math.max(peaks.get(isolate) ?? 0, Number(used) * mebibytes));
  }
  return [...peaks.values()].reduce((sum, bytes) => sum + bytes, 0);
}

async function measureHeap(kind: PassKind): Promise<Row> {
  const flags = ["--trace-gc", `--max-old-space-size=${heapMax}`];
  const cells = (got: string): string[] => [
    ...[`${names[kind]}: JavaScript heap, all threads`, got, "", ""],
    atMost(heapMax, "MiB"),
  ];
  return withFolder(async (cache) => {
    const { output } = await runForJson(command(kind, cache, flags));
    const bytes = heapPeak(output);
    const text = `${(bytes / mebibytes).toFixed(0)} MiB`;
    return { cells: cells(text), isMet: bytes > 0 && bytes <= heapMax * mebibytes };
  });
}

async function withFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "retake-cold-start-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function measure(
  kind: PassKind,
  { runs, flags }: { readonly runs: number; readonly flags: readonly string[] },
): Promise<Row[]> {
  const [cold, warm]: [Start[], Start[]] = [[], []];
  for (let run = 0; run < runs; run += 1) {
    await withFolder(async (cache) => {
      cold.push(startOf(await runForJson([...command(kind, cache), ...flags])));
      warm.push(startOf(await runForJson([...command(kind, cache), ...flags])));
    });
    const last = [cold, warm].map((list) => (list.at(-1)?.total ?? 0).toFixed(1));
    console.error(`${kind}, run ${run + 1} of ${runs}: ${last[0]} s, from the cache ${last[1]} s`);
  }
  const row = (what: string, start: Start, bound: number): Row => {
    const seconds = [start.total, start.open, start.load].map((each) => `${each.toFixed(2)} s`);
    const cells = [`${names[kind]}: ${what}`, ...seconds, atMost(bound, "s")];
    return { cells, isMet: start.total <= bound };
  };
  const [first, again] = [least(cold), least(warm)];
  const share = again.total / first.total;
  const half = secondsMax[kind] / 2;
  const shareCells = [`${names[kind]}: share of the cold start`, share.toFixed(2), "", ""];
  return [
    row("empty cache", first, secondsMax[kind]),
    row("from the cache", again, half),
    { cells: [...shareCells, atMost(0.5)], isMet: share <= 0.5 },
    await measureHeap(kind),
  ];
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      what: { type: "string", default: passKinds.join(",") },
      runs: { type: "string", default: "3" },
      threads: { type: "string", default: "2" },
      record: { type: "boolean", default: false },
      force: { type: "boolean", default: false },
    },
  });
  await sdSizeFolder();
  await refuseBusyMachine(values);
  const how = { runs: Number(values.runs), flags: ["--threads", values.threads] };
  const rows: Row[] = [];
  for (const kind of values.what.split(",")) rows.push(...(await measure(passKind(kind), how)));
  const { forward, fast } = figureSizes;
  const notes = [
    `Forward at ${forward.frames} frames of ${forward.side}x${forward.side} latents, gradients ` +
      `of all 112 tensors at ${fast.frames} frames; minima of ${values.runs} processes each. The ` +
      "time runs from the start of the process; its two largest parts stand beside it.",
    "Empty cache: the checkpoint's 4.3 GB are hashed and searched for NaN, the network is " +
      "traced, lowered and made a session. From the cache: hash and verdict are known by the " +
      "files' identity, and the program is read.",
    `The heap is V8's own figure before each collection, with --max-old-space-size=${heapMax} set.`,
  ];
  const columns = ["what", "measured", "opening", "loading", "bound"];
  return publishReport({ title: "bench:cold-start", columns, rows, notes }, values);
}

await runBench(main, usage);
