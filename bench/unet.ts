/**
 * `npm run bench:unet -- --peer-python PYTHON --peer-repo CHECKOUT`: the U-Net at the size of
 * Stable Diffusion 1.x against the authors' code in PyTorch, in alternating processes on the
 * same machine.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ChildResult, runForJson, smallest } from "./child-run.js";
import { refuseBusyMachine } from "./machine.js";
import { type PeerPlaces, peerCommand, peerOptions, peerPlaces, peerUsage } from "./peer.js";
import { atMost, publishReport, type Row, runBench } from "./report.js";
import { openSdSize } from "./sd-size.js";
import {
  figureSizes,
  type PassKind,
  passKind,
  passKinds,
  passSpec,
  predictedCost,
} from "./sd-size-pass.js";
import { memoryMax, type Peer, peers, titles } from "./unet-peers.js";

const usage = `npm run bench:unet -- --peer-python PYTHON --peer-repo CHECKOUT [options]
${peerUsage}
  --what KINDS          some of forward,fast,low (default all; "step" is "fast")
  --runs N              processes of each (default 5)
  --repeats N           measured runs in a process, after one that is not (default 2)
  --threads N           default 2
  --no-memory           leave out the memory of the low-memory step
  --record              write the table to bench/RESULTS.md
  --force               measure on a busy machine, too`;

const memoryEveryMs = 100;

interface Options {
  readonly places: PeerPlaces;
  readonly runs: number;
  readonly repeats: number;
  readonly threads: number;
  readonly memory: boolean;
  readonly record: boolean;
}

const own = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

function sizeArgs(kind: PassKind, { threads }: Options): string[] {
  const { frames, side } = figureSizes[kind];
  return ["--frames", String(frames), "--size", String(side), "--threads", String(threads)];
}

function ourCommand(kind: PassKind, options: Options): string[] {
  const what = ["--what", kind, "--runs", String(options.repeats)];
  return [process.execPath, own("./unet-run.js"), ...what, ...sizeArgs(kind, options)];
}

function theirCommand(kind: PassKind, peer: Peer, options: Options): string[] {
  const args = [...peer.args, "--runs", String(options.repeats), ...sizeArgs(kind, options)];
  return peerCommand(options.places, { name: "time_official.py", args });
}

async function told(name: string, run: Promise<ChildResult>): Promise<ChildResult> {
  const result = await run;
  const { json, othersShare } = result;
  const share = `others took ${(100 * othersShare).toFixed(0)} % of the CPUs`;
  console.error(`  ${name}: ${Number(json.seconds).toFixed(2)} s, ${share}`);
  return result;
}

interface Times {
  readonly ours: number;
  readonly peers: readonly number[];
  /** Floating-point operations per second of a large matrix product. */
  readonly gemmRate: number;
  readonly torch: string;
}

/** The least of several processes each, in turns. */
async function measuredTimes(kind: PassKind, options: Options): Promise<Times> {
  const [ours, rates]: [number[], number[]] = [[], []];
  const theirs: number[][] = peers[kind].map(() => []);
  let torch = "";
  for (let run = 0; run < options.runs; run += 1) {
    console.error(`${kind}, process ${run + 1} of ${options.runs}`);
    const gemm = await runForJson([
      process.execPath,
      own("./gemm-run.js"),
      String(options.threads),
    ]);
    rates.push(Number(gemm.json.rate));
    const { json } = await told("ours", runForJson(ourCommand(kind, options)));
    ours.push(Number(json.seconds));
    for (const [index, peer] of peers[kind].entries()) {
      const { json: peerJson } = await told(
        peer.name,
        runForJson(theirCommand(kind, peer, options)),
      );
      theirs[index]?.push(Number(peerJson.seconds));
      torch = String(peerJson.engine).replace(/ sdpa$/, "");
    }
  }
  return { ours: smallest(ours), peers: theirs.map(smallest), gemmRate: Math.max(...rates), torch };
}

function timeRows(kind: PassKind, times: Times, flops: number): Row[] {
  const ourName = titles[kind];
  const share = flops / times.ours / times.gemmRate;
  const speed = `${(flops / times.ours / 1e9).toFixed(0)} GFLOP/s, ${(100 * share).toFixed(0)} %`;
  return peers[kind].map(({ name, timeMax }, index): Row => {
    const theirs = times.peers[index] ?? Number.NaN;
    const ratio = times.ours / theirs;
    const seconds = [times.ours, theirs].map((each) => `${each.toFixed(2)} s`);
    const cells = [`${ourName} / ${name}`, ...seconds, ratio.toFixed(3), atMost(timeMax), speed];
    return { cells, isMet: ratio <= timeMax };
  });
}

/** Peak memory in processes of their own, since watching it takes time. */
async function memoryRows(kind: PassKind, options: Options): Promise<Row[]> {
  const [peer] = peers[kind];
  if (kind !== "low" || peer === undefined || !options.memory) return [];
  const once = { ...options, repeats: 1 };
  const ours = await runForJson(ourCommand(kind, once), { memoryEveryMs });
  const theirs = await runForJson(theirCommand(kind, peer, once), { memoryEveryMs });
  const row = (name: string, pick: (run: ChildResult) => number, bound?: number): Row => {
    const [a, b] = [pick(ours), pick(theirs)];
    const sizes = [a, b].map((bytes) => `${(bytes / 1e9).toFixed(2)} GB`);
    const limit = bound === undefined ? "" : atMost(bound);
    const cells = [`${name} / ${peer.name}`, ...sizes, (a / b).toFixed(3), limit, ""];
    return { cells, ...(bound === undefined ? {} : { isMet: a / b <= bound }) };
  };
  return [
    row("peak memory, low (PSS)", ({ memory }) => memory?.pss ?? Number.NaN, memoryMax),
    row("of which in no file", ({ memory }) => memory?.anonymous ?? Number.NaN),
    row("the kernel's high-water mark", ({ memory }) => memory?.rssHighWater ?? Number.NaN),
  ];
}

async function measure(kind: PassKind, options: Options): Promise<boolean> {
  const { flops } = predictedCost(passSpec(await openSdSize(), kind, figureSizes[kind]));
  const times = await measuredTimes(kind, options);
  const rows = [...timeRows(kind, times, flops), ...(await memoryRows(kind, options))];
  const { frames, side } = figureSizes[kind];
  const peak = `${(times.gemmRate / 1e9).toFixed(0)} GFLOP/s`;
  const notes = [
    `${frames} frames of ${side}x${side} latents, ${options.threads} threads; minima of ` +
      `${options.runs} processes each, in turns, with ${options.repeats} measured runs in each.`,
    `Speed counts the ${(flops / 1e12).toFixed(2)} TFLOP of our graph; a product of two matrices ` +
      `of 2048x2048 runs at ${peak} (100 %).`,
    ...(kind === "forward" ? [] : ["A step is draw, forward, backward, clipping and AdamW."]),
    ...(rows.some(({ cells }) => cells[0]?.includes("PSS"))
      ? [
          `Memory: the largest PSS of a sample every ${memoryEveryMs} ms, in own processes: ` +
            "mapped weights count once and in full, whoever filled the page cache.",
        ]
      : []),
  ];
  const columns = ["what / against", "ours", "theirs", "ratio", "bound", "speed, share of GEMM"];
  const report = { title: `bench:unet, ${kind}`, columns, rows, notes, versions: [times.torch] };
  return publishReport(report, options);
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      ...peerOptions,
      what: { type: "string", default: passKinds.join(",") },
      runs: { type: "string", default: "5" },
      repeats: { type: "string", default: "2" },
      threads: { type: "string", default: "2" },
      "no-memory": { type: "boolean", default: false },
      record: { type: "boolean", default: false },
      force: { type: "boolean", default: false },
    },
  });
  const kinds = values.what.split(",").map((text) => passKind(text === "step" ? "fast" : text));
  const options: Options = {
    ...{ places: peerPlaces(values), runs: Number(values.runs), repeats: Number(values.repeats) },
    ...{ threads: Number(values.threads), memory: !values["no-memory"], record: values.record },
  };
  await refuseBusyMachine(values);
  let isMet = true;
  for (const kind of kinds) isMet = (await measure(kind, options)) && isMet;
  return isMet;
}

await runBench(main, usage);
