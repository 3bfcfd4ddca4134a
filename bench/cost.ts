/**
 * `npm run bench:cost`: what `cost(graph)` predicts of a pass at the size of Stable Diffusion
 * 1.x, against what is measured when it runs.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runForJson } from "./child-run.js";
import { costPasses, costPassSpec } from "./cost-passes.js";
import { refuseBusyMachine } from "./machine.js";
import { publishReport, type Row, runBench } from "./report.js";
import { openSdSize } from "./sd-size.js";
import { predictedCost } from "./sd-size-pass.js";

const usage = `npm run bench:cost -- [options]
  --what PASSES  some of ${costPasses.join(",")} (default all)
  --threads N    default 2
  --record       write the table to bench/RESULTS.md
  --force        measure on a busy machine, too`;

const deviationMax = 0.2;

interface Quantity {
  readonly name: string;
  readonly unit: string;
  readonly scale: number;
  readonly predicted: number;
  readonly measured: number;
  readonly isJudged: boolean;
}

function rowOf(pass: string, quantity: Quantity): Row {
  const { name, unit, scale, predicted, measured, isJudged } = quantity;
  const ratio = predicted / measured;
  const cells = [
    `${pass}: ${name}`,
    ...[predicted, measured].map((value) => `${(value / scale).toFixed(2)} ${unit}`),
    ratio.toFixed(2),
    isJudged ? `${1 - deviationMax} to ${1 + deviationMax}` : "",
  ];
  return { cells, ...(isJudged ? { isMet: Math.abs(ratio - 1) <= deviationMax } : {}) };
}

interface Measured {
  readonly rows: readonly Row[];
  readonly note: string;
}

async function measure(pass: string, threads: string): Promise<Measured> {
  const worker = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const run = async (name: string, ...args: readonly string[]) =>
    (await runForJson([process.execPath, worker(name), ...args])).json;
  const files = await openSdSize();
  const predicted = predictedCost(costPassSpec(files, pass));
  const gemm = await run("./gemm-run.js", threads);
  const measured = await run("./cost-run.js", pass, threads);
  const counted = await run("./cost-profile-run.js", pass, threads);
  const giga = { scale: 1e9, unit: "GB" };
  const quantities: readonly Quantity[] = [
    {
      ...{ name: "operations", unit: "TFLOP", scale: 1e12, isJudged: true },
      ...{ predicted: predicted.flops, measured: Number(counted.flops) },
    },
    {
      ...{ name: "bytes moved", ...giga, isJudged: true },
      ...{ predicted: predicted.bytesMoved, measured: Number(counted.bytes) },
    },
    {
      ...{ name: "peak memory of a run", ...giga, isJudged: true },
      ...{ predicted: predicted.runBytesMax, measured: Number(measured.memoryBytes) },
    },
    {
      ...{ name: "time, at the rate of a large product", unit: "s", scale: 1, isJudged: false },
      ...{ predicted: predicted.flops / Number(gemm.rate), measured: Number(measured.seconds) },
    },
  ];
  const slowest = Array.isArray(counted.slowest) ? counted.slowest.join(", ") : "";
  return { rows: quantities.map((each) => rowOf(pass, each)), note: `${pass}: ${slowest}.` };
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      what: { type: "string", default: costPasses.join(",") },
      threads: { type: "string", default: "2" },
      record: { type: "boolean", default: false },
      force: { type: "boolean", default: false },
    },
  });
  await openSdSize();
  await refuseBusyMachine(values);
  const passes: Measured[] = [];
  for (const pass of values.what.split(",")) passes.push(await measure(pass, values.threads));
  const notes = [
    "forward: 8 frames of 32x32 latents; fast and low: loss and 112 gradients at 4 frames; " +
      `vae-decode: one frame of 512x512 pixels; ${values.threads} threads.`,
    "Operations and bytes are counted over the nodes that ONNX Runtime's profile says it ran, by " +
      "their real shapes; peak memory is what anonymous memory grew by during the first run, " +
      "sampled every 5 ms, inputs not counted.",
    "Where the time goes, in the profiled run:",
    ...passes.map(({ note }) => note),
  ];
  const columns = ["what", "predicted", "measured", "ratio", "bound"];
  const rows = passes.flatMap((pass) => pass.rows);
  return publishReport({ title: "bench:cost", columns, rows, notes }, values);
}

await runBench(main, usage);
