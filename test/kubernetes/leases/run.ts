import { parseArgs } from "node:util";
import { runCommand } from "../../run-command.js";
import { quantile } from "./ledger.js";
import { simulate } from "./simulate.js";
import { leaseDurationMs } from "./world.js";

const usage = `npm run sim:lease -- [options]: two coordinators and a Lease, on a virtual clock
  --schedules N    default 1000
  --first-seed S   default 1`;

/** Runs schedules, and says what they went through. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      schedules: { type: "string", default: "1000" },
      "first-seed": { type: "string", default: "1" },
    },
  });
  const firstSeed = Number(values["first-seed"]);
  const scheduleCount = Number(values.schedules);
  const counts = new Map<string, number>();
  const [wallMs, ableMs, noticedMs]: number[][] = [[], [], []];
  let virtualMs = 0;
  let violationCount = 0;
  const startedMs = performance.now();
  for (let seed = firstSeed; seed < firstSeed + scheduleCount; seed += 1) {
    const result = await simulate(seed);
    virtualMs += result.virtualMs;
    wallMs?.push(...result.takeovers.map((takeover) => takeover.wallMs));
    ableMs?.push(...result.takeovers.map((takeover) => takeover.ableMs));
    noticedMs?.push(...result.noticedMs);
    for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    if (result.violations.length === 0) continue;
    violationCount += 1;
    console.log(`seed ${seed}: ${result.violations.join("; ")}`);
    for (const line of result.trace.slice(-25)) console.log(`  ${line}`);
  }
  for (const [what, count] of [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`${String(count).padStart(12)}  ${what}`);
  }
  console.log(`takeovers ${wallMs?.length}, in lease durations (${leaseDurationMs} ms):`);
  console.log(`  while one was able to lead: ${inLeases(ableMs ?? [])}`);
  console.log(`  outages of all included:    ${inLeases(wallMs ?? [])}`);
  const longest = Math.max(0, ...(noticedMs ?? []));
  console.log(`changes that a watch did not tell: ${noticedMs?.length}, seen after ${longest} ms`);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const hours = (virtualMs / 3_600_000).toFixed(1);
  console.log(`${scheduleCount} schedules from ${firstSeed}: ${hours} h in ${seconds} s`);
  console.log(`violations ${violationCount}`);
  return violationCount === 0 ? 0 : 1;
}

function inLeases(durationsMs: readonly number[]): string {
  const at = (part: number): string => (quantile(durationsMs, part) / leaseDurationMs).toFixed(2);
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, max ${at(1)}`;
}

await runCommand({ name: "sim:lease", usage }, main);
