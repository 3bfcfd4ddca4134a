/**
 * `npm run bench:layouts`: two nodes of one thread each against one of them, by layout: prompts,
 * guidance branches, draws of a tuning step. How near to two independent processes is it, and how
 * near is what the planner predicted?
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openModelFiles } from "@retake/gpu-node";
import { type RunningCluster, startCluster } from "../test/e2e/cluster-process.js";
import { LineChild } from "./line-child.js";
import { refuseBusyMachine } from "./machine.js";
import { rootDir } from "./places.js";
import { publishReport, type Report, type Row, runBench } from "./report.js";
import { createTestClip } from "./test-clip.js";

const usage = `npm run bench:layouts -- [options]
  --rounds N   default 2
  --frames N   default 16
  --pixels N   of a side; default 72
  --model DIR  default models/demo
  --force      measure on a busy machine
  --record     write the table to bench/RESULTS.md`;

interface Options {
  readonly rounds: number;
  readonly frames: number;
  readonly pixels: number;
  readonly model: string;
}

const draws = 2;
/** Every edit runs short and long: what lies between them holds no loading of programs. */
const short = { steps: 4, iterations: 6 } as const;
const long = { steps: 16, iterations: 24 } as const;
type Length = typeof short | typeof long;
const ceilingPasses = 6;
const stepMsMin = 200;
const errorMax = 0.25;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

interface Ceiling {
  /** Of a pass in a process that is alone. */
  readonly aloneMs: number;
  /** How many times as much two processes do that know nothing of each other. */
  readonly speedup: number;
}

/** Two processes that pass at the same time against one, each with one thread. */
async function ceilingOf(kind: string, options: Options, cacheDir: string): Promise<Ceiling> {
  const program = new URL("./layouts-run.js", import.meta.url);
  const { latentFactor } = await openModelFiles({ source: options.model, cacheDir });
  const side = String(options.pixels / latentFactor);
  const sizes = ["--frames", String(options.frames), "--side", side];
  const where = ["--model", options.model, "--cache", cacheDir];
  const args = ["--kind", kind, "--passes", String(ceilingPasses), ...sizes, ...where];
  const children = [new LineChild(program, args), new LineChild(program, args)];
  for (const child of children) await child.answer();
  const passMs = async (those: readonly LineChild[]): Promise<number> => {
    for (const child of those) child.say("go");
    return mean(
      (await Promise.all(those.map((child) => child.answer()))).map(({ ms }) => Number(ms)),
    );
  };
  const before = await passMs(children.slice(0, 1));
  const both = await passMs(children);
  const after = await passMs(children.slice(1));
  await Promise.all(children.map((child) => child.end()));
  const aloneMs = (before + after) / 2;
  return { aloneMs, speedup: (2 * aloneMs) / both };
}

interface Phase {
  readonly measuredMs: number;
  readonly predictedMs: number;
  readonly layout: string;
  readonly reason: string;
}

/** As `retake get --json` prints them. */
interface PrintedLayout extends Phase {
  readonly phase: string;
  readonly promptIndex: number | null;
}

/** One edit through the cluster; what its record says of the layout of each phase. */
async function phasesOf(
  cluster: RunningCluster,
  clip: string,
  settings: readonly string[],
): Promise<Readonly<Record<string, Phase>>> {
  const args = ["submit", clip, "--source", "a ball", ...settings, "--wait", "--json"];
  const end = await cluster.ask(args);
  if (end.code !== 0) throw new Error(`an edit ended with ${end.code}: ${end.err.slice(-500)}`);
  const { layouts }: { layouts: readonly PrintedLayout[] } = JSON.parse(end.out);
  // Of all prompts, where there are several; a node that helps with the last has its own line.
  const whole = layouts.filter(
    ({ phase, promptIndex }) =>
      promptIndex === null ||
      !layouts.some((other) => other.phase === phase && other.promptIndex === null),
  );
  return Object.fromEntries(
    whole.map((report) => {
      const same = whole.filter(({ phase }) => phase === report.phase);
      const measuredMs = same.reduce((sum, { measuredMs: ms }) => sum + ms, 0);
      return [report.phase, { ...report, measuredMs }];
    }),
  );
}

/** What the long edit took and was predicted to take beyond the short one, by phase. */
function between(
  few: Readonly<Record<string, Phase>>,
  many: Readonly<Record<string, Phase>>,
): Readonly<Record<string, Phase>> {
  return Object.fromEntries(
    Object.entries(many).map(([phase, whole]) => [
      phase,
      {
        ...whole,
        measuredMs: whole.measuredMs - (few[phase]?.measuredMs ?? 0),
        predictedMs: whole.predictedMs - (few[phase]?.predictedMs ?? 0),
      },
    ]),
  );
}

interface Comparison {
  readonly name: string;
  readonly bound: number;
  readonly ceiling: Ceiling;
  readonly one: readonly Phase[];
  readonly two: readonly Phase[];
}

async function compared(options: Options): Promise<readonly Comparison[]> {
  const folder = await mkdtemp(join(tmpdir(), "retake-layouts-"));
  const cacheDir = join(folder, "cache");
  try {
    const clip = await createTestClip(folder, options);
    const unetBefore = await ceilingOf("unet", options, cacheDir);
    const gradientsBefore = await ceilingOf("gradients", options, cacheDir);
    const workplace = {
      ...{ path: folder, cacheDir, temporaryDir: folder },
      remove: async () => {},
    };
    const cluster = await startCluster(workplace, {
      ...{ nodeCount: 2, leaseMs: 10_000, model: options.model },
    });
    const size = ["--size", `${options.pixels}x${options.pixels}`, "--frames", `${options.frames}`];
    const phases = (settings: readonly string[], { steps, iterations }: Length) => {
      const lengths = ["--steps", `${settings.includes("--draws") ? steps : 0}`];
      lengths.push("--ddim", `${iterations}`);
      return phasesOf(cluster, clip, [...size, ...lengths, ...settings]);
    };
    const edit = async (...settings: readonly string[]) =>
      between(await phases(settings, short), await phases(settings, long));
    const tuned = ["--draws", `${draws}`];
    const [p, q] = [
      ["--prompt", "a box"],
      ["--prompt", "a cat"],
    ] as const;
    await phases([...tuned, ...p, ...q], short);
    await phases([...p, "--layout", "branches"], short);
    const rounds: Readonly<Record<string, Phase>>[][] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      rounds.push([
        await edit(...tuned, ...p, ...q, "--layout", "one"),
        await edit(...tuned, ...p, ...q, "--layout", "draws"),
        await edit(...p, "--layout", "one"),
        await edit(...p),
      ]);
      console.error(`round ${round + 1} of ${options.rounds}`);
    }
    await cluster.stop();
    const unetAfter = await ceilingOf("unet", options, cacheDir);
    const gradientsAfter = await ceilingOf("gradients", options, cacheDir);
    const of = (index: number, phase: string): Phase[] =>
      rounds.flatMap((edits) => edits[index]?.[phase] ?? []);
    const both = (a: Ceiling, b: Ceiling): Ceiling => ({
      aloneMs: mean([a.aloneMs, b.aloneMs]),
      speedup: mean([a.speedup, b.speedup]),
    });
    const unet = both(unetBefore, unetAfter);
    const gradients = both(gradientsBefore, gradientsAfter);
    return [
      { name: "prompts", bound: 0.95, ceiling: unet, one: of(0, "sample"), two: of(1, "sample") },
      { name: "branches", bound: 0.9, ceiling: unet, one: of(2, "sample"), two: of(3, "sample") },
      { name: "draws", bound: 0.9, ceiling: gradients, one: of(0, "tune"), two: of(1, "tune") },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

function rowsOf({ name, bound, ceiling, one, two }: Comparison): Row[] {
  const least = (phases: readonly Phase[]): number =>
    Math.min(...phases.map(({ measuredMs }) => measuredMs));
  const [oneMs, twoMs] = [least(one), least(two)];
  const speedup = oneMs / twoMs;
  const share = speedup / ceiling.speedup;
  const errors = [...one, ...two].map(
    ({ predictedMs, measuredMs }) => Math.abs(predictedMs - measuredMs) / measuredMs,
  );
  const worst = Math.max(...errors);
  const last = two.at(-1);
  const speed = `${seconds(oneMs)} / ${seconds(twoMs)} = ${speedup.toFixed(2)}`;
  const predicted = `${seconds(one.at(-1)?.predictedMs ?? 0)} / ${seconds(last?.predictedMs ?? 0)}`;
  return [
    {
      cells: [`${name}: one node / two`, speed, `ceiling ${ceiling.speedup.toFixed(2)}`],
    },
    {
      cells: [`${name}: share of the ceiling`, share.toFixed(3), `>= ${bound}`],
      isMet: share >= bound && last?.layout === name,
    },
    {
      cells: [
        `${name}: predicted ${predicted}, largest error`,
        `${(100 * worst).toFixed(0)} %`,
        `<= ${100 * errorMax} %`,
      ],
      isMet: worst <= errorMax,
    },
  ];
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "2" },
      frames: { type: "string", default: "16" },
      pixels: { type: "string", default: "72" },
      model: { type: "string", default: join(rootDir, "models/demo") },
      force: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
    },
  });
  const options: Options = {
    ...{ rounds: Number(values.rounds), frames: Number(values.frames), model: values.model },
    pixels: Number(values.pixels),
  };
  await refuseBusyMachine(values);
  const comparisons = await compared(options);
  const stepMs = 2 * (comparisons[0]?.ceiling.aloneMs ?? 0);
  const step: Row = {
    cells: [
      "an iteration on one thread, both branches",
      `${stepMs.toFixed(0)} ms`,
      `>= ${stepMsMin} ms`,
    ],
    isMet: stepMs >= stepMsMin,
  };
  const reasons = comparisons.map(({ two }) => `The planner: ${two.at(-1)?.reason ?? "nothing"}.`);
  const report: Report = {
    title: "bench:layouts",
    columns: ["what", "measured", "bound"],
    rows: [step, ...comparisons.flatMap(rowsOf)],
    notes: [
      `${options.frames} frames of ${options.pixels}x${options.pixels} pixels; nodes of one ` +
        `thread; minima of ${options.rounds} rounds. Times, measured and predicted, are those of ` +
        `${long.steps} steps of ${draws} draws less those of ${short.steps}, and of ` +
        `${long.iterations} iterations less ${short.iterations}, as the edits' records have ` +
        "them: loading is in both, and so in neither.",
      "The ceiling: what two processes of one thread do at the same time that know nothing of " +
        `each other, by what one does alone; ${ceilingPasses} passes, before and after.`,
      ...reasons,
    ],
  };
  return publishReport(report, values);
}

await runBench(main, usage);
