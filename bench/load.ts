/**
 * `npm run bench:load`: many small edits of three tenants, submitted at once to a few nodes. Does
 * each end once, do the tenants get like shares, and how much memory does the coordinator take?
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Edit, EditState } from "@retake/wire/edit";
import { startChaosCluster } from "../test/chaos/chaos-cluster.js";
import { ClusterClient } from "../test/chaos/cluster-client.js";
import { watchPeak } from "./process-memory.js";
import { atMost, publishReport, type Row, runBench } from "./report.js";

const usage = `npm run bench:load -- [options]
  --edits N      default 500
  --nodes N      default 4
  --record       write the table to bench/RESULTS.md`;

const tenants = ["one", "two", "three"] as const;
const tokens = { cluster: "c", one: "1", two: "2", three: "3" };
/** The defaults of a coordinator. */
const leaseMs = 10_000;
const leaderLeaseMs = 5_000;
const pollEveryMs = 1_000;
const memoryEveryMs = 500;
const memoryMiBMax = 300;
const unfairnessMax = 0.1;
/** The smallest that every phase does something for. */
const settings = { frames: 1, width: 32, height: 32, steps: 2, draws: 1, ddim: 2, seed: 1 };

const ended: readonly EditState[] = [
  ...[EditState.EDIT_STATE_SUCCEEDED, EditState.EDIT_STATE_FAILED],
  ...[EditState.EDIT_STATE_CANCELED, EditState.EDIT_STATE_EXPIRED],
];

interface Tenant {
  readonly name: string;
  readonly client: ClusterClient;
  readonly requestIds: readonly string[];
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      edits: { type: "string", default: "500" },
      nodes: { type: "string", default: "4" },
      record: { type: "boolean", default: false },
    },
  });
  const [editCount, nodeCount] = [Number(values.edits), Number(values.nodes)];
  const folder = await mkdtemp(join(tmpdir(), "retake-load-"));
  const cluster = await startChaosCluster({
    ...{ folder, nodeCount, leaseMs, leaderLeaseMs, natsCount: 1, tokens, faultPoints: [] },
    ...{ cacheDir: join(folder, "cache"), onHeld: ({ answer }) => answer() },
  });
  const places = tenants.map((name, index): Tenant => {
    const own = Array.from({ length: editCount }, (_, edit) => edit);
    const requestIds = own.filter((edit) => edit % tenants.length === index).map(String);
    return { name, client: new ClusterClient(cluster.port, tokens[name]), requestIds };
  });
  const peak = watchPeak(cluster.coordinators[0]?.pid ?? 0, { intervalMs: memoryEveryMs });
  try {
    const startedMs = performance.now();
    const ids = await Promise.all(places.map(submitAll));
    const submittedMs = performance.now() - startedMs;
    const edits = await Promise.all(places.map(untilEnded));
    const tookMs = performance.now() - startedMs;
    const again = await Promise.all(places.map(submitAll));
    const { rssHighWater } = await peak();
    const doubled = ids.flat().filter((id, index) => again.flat()[index] !== id);
    const rows = [
      ...countRows(edits.flat(), { ids: ids.flat(), doubledCount: doubled.length }),
      ...shareRows(edits),
      memoryRow(rssHighWater),
    ];
    const report = {
      ...{ title: "bench:load", columns: ["what", "is", "bound"], rows },
      notes: [
        `${editCount} edits of ${tenants.length} tenants to ${nodeCount} nodes of one thread, ` +
          `${JSON.stringify(settings)}, test/golden/data/tiny-sd.`,
        `Accepted in ${(submittedMs / 1000).toFixed(1)} s, all ended after ` +
          `${(tookMs / 1000).toFixed(1)} s: ${(tookMs / editCount).toFixed(0)} ms an edit.`,
      ],
    };
    return await publishReport(report, { record: values.record });
  } finally {
    for (const { client } of places) client.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function submitAll({ client, requestIds }: Tenant): Promise<readonly string[]> {
  const videoId = await client.upload();
  const submit = (requestId: string): Promise<string> =>
    client.submit(videoId, { requestId, settings, snapshotEverySteps: 0 });
  return Promise.all(requestIds.map(submit));
}

async function untilEnded({ client }: Tenant): Promise<readonly Edit[]> {
  for (;;) {
    const edits = await client.list();
    if (edits.every(({ state }) => ended.includes(state))) return edits;
    await sleep(pollEveryMs);
  }
}

function countRows(
  edits: readonly Edit[],
  { ids, doubledCount }: { readonly ids: readonly string[]; readonly doubledCount: number },
): readonly Row[] {
  const listed = new Set(edits.map(({ id }) => id));
  const lost = ids.filter((id) => !listed.has(id)).length;
  const extra = edits.length - new Set(ids).size;
  const succeeded = edits.filter(({ state }) => state === EditState.EDIT_STATE_SUCCEEDED).length;
  const tried = edits.reduce((sum, { recoveries }) => sum + recoveries, 0);
  return [
    { cells: ["succeeded", `${succeeded}`, `${ids.length}`], isMet: succeeded === ids.length },
    { cells: ["lost", `${lost}`, "0"], isMet: lost === 0 },
    { cells: ["more than submitted", `${extra}`, "0"], isMet: extra === 0 },
    { cells: ["doubled when sent again", `${doubledCount}`, "0"], isMet: doubledCount === 0 },
    { cells: ["pieces begun again", `${tried}`, ""] },
  ];
}

/** What each tenant had finished when the first had nothing more to do. */
function shareRows(edits: readonly (readonly Edit[])[]): readonly Row[] {
  const lastOf = (own: readonly Edit[]): number =>
    Math.max(...own.map(({ finishedUnixMs }) => finishedUnixMs));
  const untilMs = Math.min(...edits.map(lastOf));
  const counts = edits.map(
    (own) => own.filter(({ finishedUnixMs }) => finishedUnixMs <= untilMs).length,
  );
  const fair = counts.reduce((sum, count) => sum + count, 0) / tenants.length;
  return tenants.map((name, index) => {
    const part = (counts[index] ?? 0) / fair;
    return {
      cells: [`share of ${name}, of a fair one`, part.toFixed(3), `1 +- ${unfairnessMax}`],
      isMet: Math.abs(part - 1) <= unfairnessMax,
    };
  });
}

function memoryRow(bytes: number): Row {
  const mebibytes = bytes / 2 ** 20;
  return {
    cells: ["coordinator's memory", `${mebibytes.toFixed(0)} MiB`, atMost(memoryMiBMax, "MiB")],
    isMet: mebibytes <= memoryMiBMax,
  };
}

await runBench(main, usage);
