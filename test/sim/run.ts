import { parseArgs } from "node:util";
import { runCommand } from "../run-command.js";
import { simulate } from "./simulate.js";

const usage = `npm run sim -- [options]: decides for clusters on a virtual clock, with faults
  --seeds N       default 200000
  --first-seed S  default 1`;

/** Runs seeds, and says what they went through. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "200000" },
      "first-seed": { type: "string", default: "1" },
    },
  });
  const firstSeed = Number(values["first-seed"]);
  const seedCount = Number(values.seeds);
  const counts = new Map<string, number>();
  let virtualMs = 0;
  let violationCount = 0;
  const startedMs = performance.now();
  for (let seed = firstSeed; seed < firstSeed + seedCount; seed += 1) {
    const result = simulate(seed);
    virtualMs += result.virtualMs;
    for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    if (result.violations.length === 0) continue;
    violationCount += 1;
    console.log(`seed ${seed}: ${result.violations.join("; ")}`);
    for (const line of result.trace.slice(-25)) console.log(`  ${line}`);
    if (violationCount >= 10) break;
  }
  for (const [what, count] of [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    console.log(`${String(count).padStart(12)}  ${what}`);
  }
  const tookSeconds = (performance.now() - startedMs) / 1000;
  const hours = (virtualMs / 3_600_000).toFixed(1);
  const seconds = tookSeconds.toFixed(1);
  console.log(`${seedCount} seeds from ${firstSeed}: ${hours} simulated hours in ${seconds} s`);
  console.log(`violations ${violationCount}`);
  return violationCount === 0 ? 0 : 1;
}

await runCommand({ name: "sim", usage }, main);
