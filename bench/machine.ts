import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** Instruction sets that decide how fast a matrix product can be. */
const tellingFlags = /^(avx2|avx512f|avx512_bf16|amx_tile|asimd|sve)$/;
/** Above these, figures of time would say little. */
const othersShareMax = 0.1;
const loadPerCoreMax = 0.5;
const watchMs = 3000;

const require = createRequire(import.meta.url);

/** What the figures were measured on and with, in a line; never the machine's name. */
export function machineText(versions: readonly string[] = []): string {
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(info)?.[1]?.trim().split(/\s+/) ?? [];
  const ort = require("onnxruntime-node/package.json") as { version: string };
  const cores = `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? "a CPU"}`;
  return [
    `${cores} (${flags.filter((flag) => tellingFlags.test(flag)).join(", ")})`,
    `${(totalmem() / 1e9).toFixed(1)} GB`,
    `Node ${process.versions.node}`,
    `ONNX Runtime ${ort.version}`,
    ...versions,
  ].join(", ");
}

/** The one-minute load average. */
export function loadNow(): number {
  return loadavg()[0] ?? 0;
}

interface CpuTicks {
  readonly all: number;
  /** Of this process and of its children that have ended. */
  readonly own: number;
  readonly busy: number;
}

function cpuTicks(): CpuTicks {
  const [first = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const ticks = first.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, count) => sum + count, 0);
  const stat = readFileSync("/proc/self/stat", "utf8");
  // utime, stime, cutime and cstime; counted from behind the name, which may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const own = fields.slice(11, 15).reduce((sum, count) => sum + Number(count), 0);
  return { all, own, busy: all - (ticks[3] ?? 0) - (ticks[4] ?? 0) };
}

/** Begins to watch the CPUs; the result tells what share of them other processes took since. */
export function watchOthers(): () => number {
  const before = cpuTicks();
  return () => {
    const now = cpuTicks();
    const others = now.busy - before.busy - (now.own - before.own);
    return Math.max(0, others) / Math.max(1, now.all - before.all);
  };
}

/**
 * Refuses to measure time on a busy machine. A high load average alone is only told: it still
 * counts what ended a minute ago.
 *
 * @throws Error  if other processes take more than a tenth of the CPUs, unless forced
 */
export async function refuseBusyMachine({ force }: { readonly force: boolean }): Promise<void> {
  const others = watchOthers();
  await sleep(watchMs);
  const share = others();
  const load = loadNow();
  const isLoaded = load > loadPerCoreMax * availableParallelism();
  const percent = (share * 100).toFixed(0);
  const text = `load average ${load.toFixed(2)}, others take ${percent} % of the CPUs`;
  if (share > othersShareMax && !force) {
    throw new Error(
      `expected a quiet machine, got ${text}; wait, or measure all the same by --force`,
    );
  }
  if (share > othersShareMax || isLoaded) console.error(`bench: ${text}: take times with care`);
}
