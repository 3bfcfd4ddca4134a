/**
 * `npm run bench:exchange`: the gradients of a tuning at the size of Stable Diffusion 1.x,
 * exchanged among processes through a nats-server. What arrives, how fast, and for how much
 * memory?
 */
import { parseArgs } from "node:util";
import { exchangeLimits } from "@retake/gpu-node/exchange";
import { shardRanges } from "@retake/model/tuning";
import { type NatsProcess, startNats } from "../test/e2e/nats-process.js";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";
import { LineChild } from "./line-child.js";
import { refuseBusyMachine } from "./machine.js";
import { atMost, publishReport, type Report, type Row, renderTable, runBench } from "./report.js";
import { sealCosts } from "./seal-costs.js";

const usage = `npm run bench:exchange -- [options]
  --nodes N      default 4
  --steps N      default 50
  --length N     values of the vector; default 74354880
  --piece BYTES  default ${exchangeLimits.pieceBytesMax}
  --window N     requests to one peer; default ${exchangeLimits.windowPerPeerMax}
  --flight BYTES  default ${exchangeLimits.bytesInFlightMax}
  --sweep BYTES  between two looks for what can be freed; default ${exchangeLimits.sweepBytes}
  --seal-only    only what the seal of frames costs, beside a CRC-32
  --force        measure on a busy machine
  --record       write the table to bench/RESULTS.md`;

const mebibyte = 2 ** 20;
const growthMax = 64 * mebibyte;
const surplusMax = 0.05;
const shareOfSocketMin = 0.2;
/** How often plain sockets carry what a step carries. */
const socketPasses = 3;

const program = new URL("./exchange-run.js", import.meta.url);

interface Options {
  readonly nodes: number;
  readonly steps: number;
  readonly length: number;
  readonly piece: number;
  readonly window: number;
  /** Bytes in flight. */
  readonly flight: number;
  readonly sweep: number;
}

/**
 * What plain sockets carry, bytes per second: as many processes as the exchange has, each with a
 * vector, read at once as many bytes as in a step, each straight from each other, into the vector.
 */
async function socketRate(options: Options): Promise<number> {
  const { nodes, length, piece } = options;
  const shared = ["--sockets", "--length", String(length), "--piece", String(piece)];
  const children = Array.from(
    { length: nodes },
    (_, rank) => new LineChild(program, ["--rank", String(rank), ...shared]),
  );
  const answers = (): Promise<JsonObject[]> => Promise.all(children.map((each) => each.answer()));
  const ports = (await answers()).map(({ port }) => String(port)).join(" ");
  let best = 0;
  for (let pass = 0; pass < socketPasses; pass += 1) {
    for (const child of children) child.say(ports);
    const seconds = Math.max(...(await answers()).map((told) => Number(told.seconds)));
    best = Math.max(best, updateBytes(options) / seconds);
  }
  await Promise.all(children.map((child) => child.end()));
  return best;
}

/** What all members together must take in a step. */
const updateBytes = ({ nodes, length }: Options): number => 2 * (nodes - 1) * 4 * length;

async function monitored(nats: NatsProcess): Promise<{ outBytes: number; slowConsumers: number }> {
  const told = jsonObject(await (await fetch(`${nats.monitorUrl}/varz`)).json());
  return { outBytes: Number(told.out_bytes), slowConsumers: Number(told.slow_consumers) };
}

interface Measured {
  readonly outBytes: number;
  readonly slowConsumers: number;
  readonly secondsOfSteps: readonly number[];
  readonly framesPerStep: readonly number[];
  readonly differingSteps: number;
  readonly refused: number;
  readonly silences: number;
  readonly pending: number;
  readonly disconnects: number;
  readonly growth: readonly number[];
}

const numberOf = (answers: readonly JsonObject[], name: string): number =>
  answers.reduce((sum, answer) => sum + Number(answer[name]), 0);

async function exchangeSteps(options: Options): Promise<Measured> {
  const nats = await startNats();
  const shared = ["--nodes", String(options.nodes), "--length", String(options.length)];
  const limits = ["--piece", String(options.piece), "--window", String(options.window)];
  limits.push("--flight", String(options.flight), "--sweep", String(options.sweep));
  const children = Array.from({ length: options.nodes }, (_, rank) => {
    return new LineChild(program, ["--rank", `${rank}`, "--url", nats.url, ...shared, ...limits]);
  });
  const answers = (): Promise<JsonObject[]> => Promise.all(children.map((each) => each.answer()));
  const tell = (line: string): void => {
    for (const child of children) child.say(line);
  };
  await answers();
  const before = await monitored(nats);
  const secondsOfSteps: number[] = [];
  const framesPerStep: number[] = [];
  let last: JsonObject[] = [];
  let differingSteps = 0;
  for (let step = 0; step < options.steps; step += 1) {
    tell("step");
    const told = await answers();
    secondsOfSteps.push(Math.max(...told.map(({ seconds }) => Number(seconds))));
    framesPerStep.push(numberOf(told, "framesTaken") - (numberOf(last, "framesTaken") || 0));
    if (new Set(told.map(({ hash }) => hash)).size !== 1) differingSteps += 1;
    if (told[0]?.hash === last[0]?.hash) differingSteps += 1;
    last = told;
    console.error(`step ${step}: ${secondsOfSteps.at(-1)?.toFixed(2)} s`);
  }
  const after = await monitored(nats);
  tell("end");
  const ends = await answers();
  await Promise.all(children.map((child) => child.end()));
  await nats.stop();
  return {
    ...{ outBytes: after.outBytes - before.outBytes, slowConsumers: after.slowConsumers },
    ...{ secondsOfSteps, framesPerStep, differingSteps },
    ...{ refused: numberOf(last, "framesRefused"), silences: numberOf(last, "silences") },
    ...{ pending: numberOf(last, "framesPending"), disconnects: numberOf(ends, "disconnects") },
    growth: ends.map(({ beyondVectors }) => Number(beyondVectors)),
  };
}

/** Frames that all members together must take in a step: each piece of each update, once. */
function framesDue({ nodes, length, piece }: Options): number {
  const pieces = shardRanges(length).map(({ begin, end }) =>
    Math.ceil((4 * (end - begin)) / piece),
  );
  return 2 * (nodes - 1) * pieces.reduce((sum, count) => sum + count, 0);
}

const row = (what: string, value: string, bound = "", isMet?: boolean): Row => {
  return { cells: [what, value, bound], isMet };
};

/** What checking the seal of frames costs, and a CRC of as much, which it replaced. */
function sealRows({ piece }: Pick<Options, "piece">): Row[] {
  const { opening, crc } = sealCosts({ pieceBytes: piece });
  const told = (seconds: number): string => `${seconds.toFixed(3)} s of a CPU`;
  return [
    row("checking sealed frames (AES-256-GMAC), 10^9 bytes", told(opening)),
    row("CRC-32 of as much", told(crc)),
  ];
}

function rowsOf(options: Options, measured: Measured, socket: number): Row[] {
  const due = framesDue(options);
  const wrongSteps = measured.framesPerStep.filter((frames) => frames !== due).length;
  const surplus = measured.outBytes / (options.steps * updateBytes(options)) - 1;
  const seconds = measured.secondsOfSteps.reduce((sum, each) => sum + each, 0);
  const rate = measured.outBytes / seconds;
  const growth = Math.max(...measured.growth);
  const none = (what: string, count: number): Row => row(what, String(count), "0", count === 0);
  return [
    none("disconnects", measured.disconnects + measured.slowConsumers),
    none("steps with a lost or a double shard", wrongSteps),
    none("steps whose members differ", measured.differingSteps),
    none("answers refused, requests not answered", measured.refused + measured.silences),
    row(
      "bytes out of the server, beyond 2(N-1) updates",
      `${(100 * surplus).toFixed(2)} %`,
      `<= ${100 * surplusMax} %`,
      Math.abs(surplus) <= surplusMax,
    ),
    row(
      "rate out of the server",
      `${(rate / 1e6).toFixed(0)} MB/s`,
      `>= ${shareOfSocketMin} of sockets`,
      rate >= shareOfSocketMin * socket,
    ),
    row("plain sockets, in the same run", `${(socket / 1e6).toFixed(0)} MB/s`),
    row("a step's exchange, mean", `${(seconds / options.steps).toFixed(2)} s`),
    row(
      "largest process, beyond its vectors",
      `${(growth / mebibyte).toFixed(0)} MiB`,
      atMost(growthMax / mebibyte, "MiB"),
      growth <= growthMax,
    ),
  ];
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string", default: "4" },
      steps: { type: "string", default: "50" },
      length: { type: "string", default: "74354880" },
      piece: { type: "string", default: String(exchangeLimits.pieceBytesMax) },
      flight: { type: "string", default: String(exchangeLimits.bytesInFlightMax) },
      window: { type: "string", default: String(exchangeLimits.windowPerPeerMax) },
      sweep: { type: "string", default: String(exchangeLimits.sweepBytes) },
      "seal-only": { type: "boolean", default: false },
      force: { type: "boolean", default: false },
      record: { type: "boolean", default: false },
    },
  });
  const { nodes, steps, length, piece, window, flight, sweep } = values;
  const options: Options = {
    ...{ nodes: Number(nodes), steps: Number(steps), length: Number(length) },
    ...{ piece: Number(piece), window: Number(window), flight: Number(flight) },
    sweep: Number(sweep),
  };
  if (values["seal-only"]) {
    console.log(renderTable(["what", "measured", "bound"], sealRows(options)));
    return true;
  }
  await refuseBusyMachine(values);
  const before = await socketRate(options);
  const measured = await exchangeSteps(options);
  const socket = Math.max(before, await socketRate(options));
  const report: Report = {
    title: "bench:exchange",
    columns: ["what", "measured", "bound"],
    rows: [...rowsOf(options, measured, socket), ...sealRows(options)],
    notes: [
      `${options.nodes} processes, ${options.steps} steps of ${options.length} values, pieces of ` +
        `${options.piece / 1024} KiB, ${options.window} requests to each peer; one draw a node.`,
      `Of the answers, ${measured.pending} said "ask again". Plain sockets: as many processes, ` +
        "each of which reads from each other at once, into its vector, what a step brings it; " +
        `the best of ${2 * socketPasses} passes, before and after.`,
      "Beyond its vectors: the peak of the process's memory less that before its vectors (one " +
        "partial sum, one gradient) were made, and less the vectors.",
    ],
  };
  return publishReport(report, values);
}

await runBench(main, usage);
