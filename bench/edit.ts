/**
 * `npm run bench:edit -- --peer-python PYTHON --peer-repo CHECKOUT`: a whole edit with the small
 * checkpoint (tune, invert, sample two prompts) against the authors' code, in alternating
 * processes.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { jsonObject } from "../test/golden/json-object.js";
import { runForJson, smallest } from "./child-run.js";
import { refuseBusyMachine } from "./machine.js";
import { type PeerPlaces, peerCommand, peerOptions, peerPlaces, peerUsage } from "./peer.js";
import { retakeProgram, tinyCheckpoint } from "./places.js";
import { atMost, publishReport, type Row, runBench } from "./report.js";
import { createTestClip } from "./test-clip.js";

const usage = `npm run bench:edit -- --peer-python PYTHON --peer-repo CHECKOUT [options]
${peerUsage}
  --runs N              processes of each (default 5)
  --threads N           default 2
  --record              write the table to bench/RESULTS.md
  --force               measure on a busy machine, too`;

const work = { frames: 8, pixels: 64, steps: 50, ddim: 20, guidance: 12.5 } as const;
const prompts = ["a bear number 0 is skiing", "a bear number 1 is skiing"] as const;
const timeMax = 0.4;
/** Phases of our edit, by the phase of the peer's program that does the same work. */
const phases = {
  tune: ["prompts", "encode", "tune"],
  invert: ["invert"],
  sample: ["sample", "frames"],
} as const;
type PhaseName = keyof typeof phases;
const phaseNames = Object.keys(phases) as PhaseName[];

/** Seconds of a run: each phase, their sum, and the whole process. */
type Seconds = Readonly<Record<PhaseName | "total" | "process", number>>;

interface Options {
  readonly places: PeerPlaces;
  readonly threads: number;
  readonly folder: string;
}

/** Runs the command that a user would; the phases' times are those of the manifest. */
async function ourEdit(clip: string, options: Options, cache: string): Promise<Seconds> {
  const out = await mkdtemp(join(options.folder, "out-"));
  const { frames, pixels, steps, ddim, guidance } = work;
  const settings = {
    ...{ frames, size: `${pixels}x${pixels}`, steps, ddim, guidance },
    ...{ seed: 33, threads: options.threads, model: tinyCheckpoint, out },
    ...{ source: "a man is skiing" },
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const asked = prompts.flatMap((prompt) => ["--prompt", prompt]);
  const command = [process.execPath, retakeProgram, "edit", clip, "--no-cache", "--json"];
  const run = await runForJson([...command, ...args, ...asked], { env: { RETAKE_CACHE: cache } });
  const manifest = jsonObject(JSON.parse(await readFile(join(out, "manifest.json"), "utf8")));
  const timings = jsonObject(manifest.timings);
  const secondsOf = (phase: string): number => Number(jsonObject(timings[phase]).seconds);
  return secondsBy(
    (name) => phases[name].reduce((sum, phase) => sum + secondsOf(phase), 0),
    run.wallSeconds,
  );
}

function secondsBy(find: (name: PhaseName) => number, wall: number): Seconds {
  const [tune, invert, sample] = [find("tune"), find("invert"), find("sample")];
  return { tune, invert, sample, total: tune + invert + sample, process: wall };
}

async function theirEdit(options: Options): Promise<{ seconds: Seconds; engine: string }> {
  const { frames, pixels, steps, ddim, guidance } = work;
  const settings = {
    ...{ checkpoint: tinyCheckpoint, frames, pixels, steps, ddim, guidance },
    ...{ prompts: prompts.length, threads: options.threads },
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const script = { name: "time_official_edit.py", args };
  const { json, wallSeconds } = await runForJson(peerCommand(options.places, script));
  const byPhase = jsonObject(json.seconds);
  const seconds = secondsBy((name) => Number(byPhase[name]), wallSeconds);
  return { seconds, engine: String(json.engine) };
}

interface Runs {
  readonly warm: readonly Seconds[];
  readonly cold: readonly Seconds[];
  readonly theirs: readonly Seconds[];
  readonly engine: string;
}

async function measure(options: Options, runs: number): Promise<Runs> {
  const { folder } = options;
  const clip = await createTestClip(folder, work);
  const filled = join(folder, "cache");
  await ourEdit(clip, options, filled);
  const [warm, cold, theirs]: [Seconds[], Seconds[], Seconds[]] = [[], [], []];
  let engine = "";
  for (let run = 0; run < runs; run += 1) {
    warm.push(await ourEdit(clip, options, filled));
    cold.push(await ourEdit(clip, options, await mkdtemp(join(folder, "cache-"))));
    const peer = await theirEdit(options);
    theirs.push(peer.seconds);
    engine = peer.engine;
    const totals = [warm, cold, theirs].map((list) => (list.at(-1)?.total ?? 0).toFixed(2));
    console.error(`run ${run + 1} of ${runs}: ${totals.join(" s, ")} s`);
  }
  return { warm, cold, theirs, engine };
}

function rowsOf({ warm, cold, theirs }: Runs): Row[] {
  const row = (what: string, ours: readonly Seconds[], name: keyof Seconds): Row => {
    const [a, b] = [ours, theirs].map((list) => smallest(list.map((run) => run[name])));
    const ratio = (a ?? Number.NaN) / (b ?? Number.NaN);
    const isBound = name === "total";
    const seconds = [a, b].map((each) => `${each?.toFixed(2)} s`);
    const cells = [what, ...seconds, ratio.toFixed(3), isBound ? atMost(timeMax) : ""];
    return { cells, ...(isBound ? { isMet: ratio <= timeMax } : {}) };
  };
  return [
    row("the edit", warm, "total"),
    row("the edit, programs compiled anew", cold, "total"),
    ...phaseNames.map((name) => row(`of which: ${name}`, warm, name)),
    row("the process from start to end", warm, "process"),
    row("the process, programs compiled anew", cold, "process"),
  ];
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      ...peerOptions,
      runs: { type: "string", default: "5" },
      threads: { type: "string", default: "2" },
      record: { type: "boolean", default: false },
      force: { type: "boolean", default: false },
    },
  });
  const [places, threads] = [peerPlaces(values), Number(values.threads)];
  await refuseBusyMachine(values);
  const folder = await mkdtemp(join(tmpdir(), "retake-bench-"));
  try {
    const runs = await measure({ places, threads, folder }, Number(values.runs));
    const { frames, pixels, steps, ddim } = work;
    const notes = [
      `${frames} frames of ${pixels}x${pixels} pixels, ${steps} steps, ${ddim} + ${ddim} DDIM ` +
        `iterations, ${prompts.length} prompts, ${threads} threads; minima of ${values.runs} ` +
        "processes each, in turns.",
      "Ours is `retake edit --no-cache` on a video file; its phases are those of the manifest: " +
        "text and VAE work counts, reading and writing video does not, nor what is loaded of the " +
        "programs while the video is read; the whole process does it all; the peer's has no " +
        "video, and checks no checkpoint.",
    ];
    const columns = ["what", "ours", "theirs", "ratio", "bound"];
    const versions = [runs.engine];
    const report = { title: "bench:edit", columns, rows: rowsOf(runs), notes, versions };
    return await publishReport(report, values);
  } finally {
    await rm(folder, { recursive: true });
  }
}

await runBench(main, usage);
