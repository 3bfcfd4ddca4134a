/**
 * `npm run bench:shared-weights`: two processes sample from one checkpoint of the size of Stable
 * Diffusion 1.x. How much memory of its own does the second take for weights?
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mappedMemoryOf, memoryOf, type ProcessMemory } from "./process-memory.js";
import { atMost, publishReport, type Row, runBench } from "./report.js";
import { sdSizeFolder } from "./sd-size.js";

const usage = `npm run bench:shared-weights -- [options]
  --threads N    default 2
  --record       write the table to bench/RESULTS.md`;

const privateMax = 0.5e9;
const weightsFile = "/unet/diffusion_pytorch_model.safetensors";

/** What a process has done, in this order. */
const stages = {
  opened: "checkpoint opened, engine started",
  loaded: "program loaded: frozen weights mapped",
  read: "tensors that can be tuned read",
  fixed: "and handed to the engine",
  sampled: "one iteration sampled, both branches",
} as const;
type Stage = keyof typeof stages;
const stageNames = Object.keys(stages) as Stage[];

interface Sampler {
  readonly pid: number;
  /** Memory after each stage. */
  readonly memory: Readonly<Record<Stage, ProcessMemory>>;
  readonly mapped: ProcessMemory;
  /** Lets the process end. */
  readonly end: () => void;
}

/** Starts a process and takes it through all stages; it stays, with all that it holds. */
async function startSampler(threads: number): Promise<Sampler> {
  const worker = fileURLToPath(new URL("./shared-weights-run.js", import.meta.url));
  const child = spawn(process.execPath, [worker, String(threads)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  process.once("exit", () => void child.kill());
  const pid = child.pid ?? 0;
  const memory: Partial<Record<Stage, ProcessMemory>> = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const stage = stageNames.find((name) => name === line);
    if (stage === undefined) continue;
    memory[stage] = memoryOf(pid);
    if (stage === "sampled") break;
    child.stdin.write("\n");
  }
  const mapped = mappedMemoryOf(pid, weightsFile);
  const of = (stage: Stage): ProcessMemory => {
    const found = memory[stage];
    if (found === undefined) throw new Error(`the process ended before it was ${stage}`);
    return found;
  };
  return {
    ...{ pid, mapped, end: () => void child.stdin.write("\n") },
    memory: {
      ...{ opened: of("opened"), loaded: of("loaded"), read: of("read") },
      ...{ fixed: of("fixed"), sampled: of("sampled") },
    },
  };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

function rowsOf(first: Sampler, second: Sampler): Row[] {
  const cells = (name: string, a: ProcessMemory, b: ProcessMemory): Row => ({
    cells: [name, ...[a.pss, a.private, b.rss, b.pss, b.private].map(gigabytes), ""],
  });
  const { memory } = second;
  const forWeights = memory.fixed.private - memory.opened.private;
  const frozen = memory.loaded.private - memory.opened.private;
  return [
    ...stageNames.map((stage) => cells(stages[stage], first.memory[stage], memory[stage])),
    cells("of which: the mapped file of the U-Net", first.mapped, second.mapped),
    {
      cells: ["private, for frozen weights", "", "", "", "", gigabytes(frozen), ""],
    },
    {
      cells: [
        ...["private, for all weights", "", "", "", "", gigabytes(forWeights)],
        atMost(privateMax / 1e9, "GB"),
      ],
      isMet: forWeights < privateMax && second.mapped.private < privateMax,
    },
  ];
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      threads: { type: "string", default: "2" },
      record: { type: "boolean", default: false },
    },
  });
  await sdSizeFolder();
  const threads = Number(values.threads);
  const first = await startSampler(threads);
  const second = await startSampler(threads);
  const both = memoryOf(first.pid).pss + memoryOf(second.pid).pss;
  const alone = first.memory.sampled.pss;
  for (const sampler of [first, second]) sampler.end();
  const notes = [
    `8 frames of 32x32 latents, ${threads} threads. The first process is alone when it is ` +
      "measured; then it stays, and the second is measured beside it.",
    `Together they take ${gigabytes(both)} (PSS); the first alone took ${gigabytes(alone)}.`,
    "For weights: what private memory grows by from the opened checkpoint until the engine has " +
      "all weights, before anything is computed. The tensors that can be tuned (297 MB) belong " +
      "to a job and are private by their nature; the frozen ones are the file's own pages.",
  ];
  const columns = ["after", "first: PSS", "private", "second: RSS", "PSS", "private", "bound"];
  const report = { title: "bench:shared-weights", columns, rows: rowsOf(first, second), notes };
  return publishReport(report, values);
}

await runBench(main, usage);
