import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EditState } from "@retake/wire/edit";
import { runCommand } from "../run-command.js";
import { chanceOf } from "../sim/random.js";
import { editSettings, snapshotEverySteps } from "./cases.js";
import { type ChaosCluster, startChaosCluster } from "./chaos-cluster.js";
import type { Holding } from "./held-process.js";
import { percentile } from "./table.js";

const usage = `npm run chaos:cancel -- [options]: cancels edits at random moments
  --tries N  default 200
  --seed S   of the moments; default 1

Does it take effect within a step and a second, and is anything left behind?`;

const leaseMs = 3_000;
const nodeCount = 2;
const graceMs = 1_000;
const steps = 12;
/** Moments of an edit at which its processes hold; a cancel comes at one of them. */
const momentsOfEdit = nodeCount * 3 * steps + 2 * steps + 2 * editSettings.ddim;
/** Sockets and timers come and go; what leaks once a try is far more. */
const descriptorsMax = 24;

interface Try {
  readonly tookMs: number;
  readonly state: string;
}

/** Counts the moments of one edit, and says when the chosen one is there. */
class Moments {
  readonly #chosen: number;
  readonly reached: Promise<void>;
  #onReached: () => void = () => {};
  #count = 0;

  constructor(chosen: number) {
    this.#chosen = chosen;
    this.reached = new Promise((resolve) => {
      this.#onReached = resolve;
    });
  }

  onHeld({ answer }: Holding): void {
    this.#count += 1;
    if (this.#count === this.#chosen) this.#onReached();
    answer();
  }
}

/** How long steps take: the time between two commits, the longest counts. */
class StepClock {
  #lastMs = 0;
  longestMs = 0;

  onHeld({ point, about }: Holding): void {
    if (point !== "after-commit") return;
    const nowMs = performance.now();
    if (Number(about["step"]) > 0) this.longestMs = Math.max(this.longestMs, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
  }
}

async function cancelOne(
  { client }: ChaosCluster,
  { name, videoId, moments }: { name: string; videoId: string; moments: Moments },
): Promise<Try> {
  const settings = { ...editSettings, steps };
  const id = await client.submit(videoId, { requestId: name, settings, snapshotEverySteps });
  const ended = client.watch(id, ({ finishedUnixMs }) => finishedUnixMs > 0);
  await Promise.race([moments.reached, ended]);
  const askedMs = performance.now();
  await client.cancel(id);
  const { state } = await ended;
  return { tookMs: performance.now() - askedMs, state };
}

/** What should be the same before and after: files of work, descriptors, leases, tasks. */
async function belongings({ nodes, coordinators, client }: ChaosCluster, folder: string) {
  const processes = [...coordinators, ...nodes.map(({ process }) => process)];
  const descriptors: Record<string, number> = {};
  const children: string[] = [];
  for (const { name, pid } of processes) {
    descriptors[name] = (await readdir(`/proc/${pid}/fd`)).length;
    const listed = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    children.push(...listed.split(" ").filter(Boolean));
  }
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) =>
    /(\/work\/.|parts\/.|retake-work-[^/]+\/.|\.incoming-)/.test(name),
  );
  const tasks = (await client.nodes()).flatMap((node) => node.tasks.map(({ taskId }) => taskId));
  return { descriptors, children, files, tasks };
}

/** Small pieces that a try may leave for a moment, while the last call ends. */
async function settled(cluster: ChaosCluster, folder: string) {
  await cluster.client.untilWhole(nodeCount);
  return belongings(cluster, folder);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      tries: { type: "string", default: "200" },
      seed: { type: "string", default: "1" },
    },
  });
  const [tries, seed] = [Number(values.tries), Number(values.seed)];
  const folder = await mkdtemp(join(tmpdir(), "retake-cancel-"));
  const clock = new StepClock();
  let moments = new Moments(0);
  const cluster = await startChaosCluster({
    ...{ nodeCount, leaseMs, natsCount: 1, folder, cacheDir: join(folder, "cache") },
    faultPoints: [
      ...(["before-publish", "after-publish", "applied", "before-commit"] as const),
      ...(["after-commit", "in-sampling"] as const),
    ],
    onHeld: (holding) => {
      clock.onHeld(holding);
      moments.onHeld(holding);
    },
  });
  try {
    const videoId = await cluster.client.upload();
    const ends: Try[] = [];
    let before: Awaited<ReturnType<typeof belongings>> | undefined;
    for (let index = 0; index < tries; index += 1) {
      moments = new Moments(chanceOf(seed + index).whole({ min: 1, max: momentsOfEdit }));
      ends.push(await cancelOne(cluster, { name: `cancel-${seed}-${index}`, videoId, moments }));
      // The first ones open what stays open: connections, programs, threads.
      if (index === Math.min(9, tries - 1)) before = await settled(cluster, folder);
    }
    const after = await settled(cluster, folder);
    return report({ ends, before: before ?? after, after, stepMs: clock.longestMs, seed });
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function report(about: {
  readonly ends: readonly Try[];
  readonly before: Awaited<ReturnType<typeof belongings>>;
  readonly after: Awaited<ReturnType<typeof belongings>>;
  readonly stepMs: number;
  readonly seed: number;
}): number {
  const { ends, before, after, stepMs, seed } = about;
  const canceled = ends.filter(({ state }) => state === EditState.EDIT_STATE_CANCELED);
  const times = canceled.map(({ tookMs }) => tookMs);
  const boundMs = stepMs + graceMs;
  const late = times.filter((ms) => ms > boundMs);
  const odd = ends.filter(
    ({ state }) =>
      state !== EditState.EDIT_STATE_CANCELED && state !== EditState.EDIT_STATE_SUCCEEDED,
  );
  const [p50, p95, max] = [0.5, 0.95, 1].map((share) => percentile(times, share).toFixed(0));
  const leaks = [
    ...after.files.map((name) => `file ${name}`),
    ...after.tasks.map((id) => `task ${id}`),
    ...after.children.map((pid) => `process ${pid}`),
    ...Object.entries(after.descriptors)
      .filter(([name, count]) => count > (before.descriptors[name] ?? 0) + descriptorsMax)
      .map(([name, count]) => `${count - (before.descriptors[name] ?? 0)} descriptors of ${name}`),
  ];
  console.log(`descriptors before ${JSON.stringify(before.descriptors)}`);
  console.log(`descriptors after  ${JSON.stringify(after.descriptors)}`);
  for (const leak of leaks) console.log(`left behind: ${leak}`);
  for (const { state } of odd) console.log(`ended as ${state}`);
  console.log(`longest step ${stepMs.toFixed(0)} ms, so the bound is ${boundMs.toFixed(0)} ms`);
  console.log(`took effect in: p50 ${p50} ms, p95 ${p95} ms, longest ${max} ms`);
  const inTime = ends.length - late.length - odd.length;
  console.log(
    `${inTime} of ${ends.length} in time (${canceled.length} canceled, the others had ended), ` +
      `${leaks.length} left behind, seed ${seed}`,
  );
  return inTime === ends.length && leaks.length === 0 ? 0 : 1;
}

await runCommand({ name: "chaos:cancel", usage }, main);
