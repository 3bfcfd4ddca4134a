/**
 * `npm run bench:frames`: passes of the U-Net whose frames two processes of one thread share,
 * against one process of one thread, and against two that know nothing of each other.
 */
import { parseArgs } from "node:util";
import { equalParts } from "@retake/model/frames";
import type { JsonObject } from "../test/golden/json-object.js";
import { smallest } from "./child-run.js";
import { LineChild } from "./line-child.js";
import { refuseBusyMachine } from "./machine.js";
import { publishReport, type Report, type Row, runBench } from "./report.js";

const usage = `npm run bench:frames -- [options]
  --model NAME   demo (default), tiny or sd: the checkpoint
  --frames N     default 24
  --size N       latent cells along a side; default 32
  --ranks N      default 2
  --runs N       passes of each kind, in turns; default 3
  --force        measure on a busy machine
  --record       write the table to bench/RESULTS.md`;

const program = new URL("./frames-run.js", import.meta.url);

/** What a prediction may be wrong by. */
const errorMax = 0.25;

interface Options {
  readonly model: string;
  readonly frames: number;
  readonly size: number;
  readonly ranks: number;
  readonly runs: number;
}

const secondsOf = (told: JsonObject): number => smallest((told.seconds as number[]).map(Number));

/** The ranks, connected and loaded; what the first says of its link and of what crosses. */
async function openRanks(options: Options): Promise<{ ranks: LineChild[]; link: JsonObject }> {
  const counts = equalParts(options.frames, { parts: options.ranks });
  const ranks = counts.map(
    (_, rank) =>
      new LineChild(program, [...sizeArgs(options), "--rank", `${rank}`, "--counts", `${counts}`]),
  );
  const ports = await Promise.all(ranks.map((child) => child.answer()));
  const line = ports.map(({ port }) => String(port)).join(" ");
  const [link] = await Promise.all(ranks.map((child) => child.ask(line)));
  if (link === undefined) throw new Error("expected ranks");
  return { ranks, link };
}

const sizeArgs = ({ model, frames, size }: Options): string[] => [
  ...["--model", model, "--frames", `${frames}`, "--size", `${size}`],
];

async function measure(options: Options) {
  const alone = [
    new LineChild(program, sizeArgs(options)),
    new LineChild(program, sizeArgs(options)),
  ] as const;
  await Promise.all(alone.map((child) => child.answer()));
  const { ranks, link } = await openRanks(options);
  const all = async (children: readonly LineChild[]): Promise<number> =>
    Math.max(...(await Promise.all(children.map((child) => child.ask("1")))).map(secondsOf));
  const kinds = { one: alone.slice(0, 1), both: alone, shared: ranks };
  const times = { one: [] as number[], both: [] as number[], shared: [] as number[] };
  for (let run = 0; run <= options.runs; run += 1) {
    for (const kind of ["one", "both", "shared"] as const) {
      const seconds = await all(kinds[kind]);
      if (run > 0) times[kind].push(seconds);
    }
  }
  await Promise.all([...alone, ...ranks].map((child) => child.end()));
  const fastest = { one: smallest(times.one), both: smallest(times.both) };
  return { ...fastest, shared: smallest(times.shared), link };
}

/**
 * As the planner predicts a pass: the largest share, what crosses, every wait for others.
 *
 * @param wholeSeconds  of a whole pass, as a node measures it while the others compute, too
 */
function predictedSeconds(wholeSeconds: number, link: JsonObject, options: Options): number {
  const share = Math.ceil(options.frames / options.ranks) / options.frames;
  const bytesMs = (1000 * Number(link.bytes)) / 2 / Number(link.bytesPerSecond);
  const waitsMs = Number(link.waits) * Number(link.roundTripMs);
  return wholeSeconds * share + (bytesMs + waitsMs) / 1000;
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: "demo" },
      frames: { type: "string", default: "24" },
      size: { type: "string", default: "32" },
      ranks: { type: "string", default: "2" },
      runs: { type: "string", default: "3" },
      force: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
    },
  });
  const { model, force, record } = values;
  const [frames, size, ranks, runs] = [values.frames, values.size, values.ranks, values.runs].map(
    Number,
  ) as [number, number, number, number];
  const options = { model, frames, size, ranks, runs };
  await refuseBusyMachine({ force });
  const found = await measure(options);
  return publishReport(reportOf(options, found), { record });
}

function reportOf(options: Options, found: Awaited<ReturnType<typeof measure>>): Report {
  const { one, both, shared, link } = found;
  const { model, frames, size } = options;
  const predicted = predictedSeconds(both, link, options);
  const error = Math.abs(predicted - shared) / shared;
  const ms = (seconds: number): string => `${(1000 * seconds).toFixed(0)} ms`;
  const row = (name: string, seconds: number, speed: string): Row => ({
    cells: [name, ms(seconds), speed],
  });
  const megabytes = (Number(link.bytes) / 1e6).toFixed(1);
  return {
    title: `bench:frames, ${model}, ${frames} frames of ${size}x${size}`,
    columns: ["a pass, one thread a process", "time", "speed"],
    rows: [
      row("one process", one, "1.00"),
      row("two that know nothing of each other, each", both, (2 * (one / both)).toFixed(2)),
      row(`${options.ranks} that share the frames`, shared, (one / shared).toFixed(2)),
      {
        cells: ["as predicted", ms(predicted), `${(100 * error).toFixed(0)} % off`],
        isMet: error < errorMax,
      },
    ],
    notes: [
      `The first rank sends and receives ${megabytes} MB in a pass, and waits ${link.waits} times.`,
      "Predicted from what nodes measure while all compute: the time of a whole pass, and the " +
        "link, on which a round with next to nothing in it takes " +
        `${Number(link.roundTripMs).toFixed(2)} ms, and ` +
        `${(Number(link.bytesPerSecond) / 1e6).toFixed(0)} MB/s go through with much.`,
      "Minima over the runs; kinds in turns, after one run of each that does not count.",
    ],
  };
}

await runBench(main, usage);
