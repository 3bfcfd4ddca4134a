/**
 * `npm run bench:decisions`: what the coordinator's decisions cost, in CPU time of its one thread,
 * where many nodes have joined: edits go from submit to their end in virtual time, every task of
 * theirs ends at once, and nodes tell that they live.
 */
import { parseArgs } from "node:util";
import { DecidedEdits, type EditSize, heartbeatEveryMs } from "./decisions/decided-edits.js";
import { atMost, publishReport, type Row, runBench } from "./report.js";

const usage = `npm run bench:decisions -- [options]
  --nodes N      default 1000
  --scene N      only the first, second, third or fourth of the edits
  --record       write the table to bench/RESULTS.md`;

/** Of a decision, for each task that it begins: as many plans as that are made. */
const msPerTaskMax = 100;
/** Of one core, for the heartbeats of all nodes. */
const heartbeatShareMax = 0.5;

interface Scene {
  readonly name: string;
  readonly edits: readonly EditSize[];
  /** Else as many as were asked for. */
  readonly nodeCount?: number;
}

const scenes: readonly Scene[] = [
  { name: "64 prompts, 64 draws", edits: [{ prompts: 64, draws: 64, tenant: "t" }] },
  { name: "1 prompt, 1 draw", edits: [{ prompts: 1, draws: 1, tenant: "t" }] },
  {
    name: "30 edits of 3 tenants, 4 prompts, 4 draws",
    edits: Array.from({ length: 30 }, (_, at) => {
      return { prompts: 4, draws: 4, tenant: `t${at % 3}` };
    }),
  },
  {
    name: "900 edits of 3 tenants on 4 nodes",
    edits: Array.from({ length: 900 }, (_, at) => {
      return { prompts: 1, draws: 1, tenant: `t${at % 3}` };
    }),
    nodeCount: 4,
  },
];

function rowsOf({ name, edits, nodeCount: own }: Scene, askedCount: number): readonly Row[] {
  const nodeCount = own ?? askedCount;
  const run = new DecidedEdits(nodeCount);
  run.submit(edits);
  run.untilAllEnd();
  return [...run.costs].map(([kind, costs]): Row => {
    const sorted = costs.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const mean = sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length;
    const [median = 0, most = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
    const perTask = Math.max(...costs.map(({ ms, begun }) => ms / Math.max(1, begun)));
    const share = (mean * nodeCount) / heartbeatEveryMs;
    const isHeartbeat = kind === "heartbeat";
    const figures = [mean, median, most, perTask].map((ms) => ms.toFixed(2));
    return {
      cells: [name, kind, `${costs.length}`, ...figures, isHeartbeat ? share.toFixed(2) : ""],
      isMet: perTask <= msPerTaskMax && (!isHeartbeat || share <= heartbeatShareMax),
    };
  });
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      nodes: { type: "string", default: "1000" },
      scene: { type: "string" },
      record: { type: "boolean", default: false },
    },
  });
  const nodeCount = Number(values.nodes);
  const chosen = scenes.filter((_, at) => [undefined, `${at + 1}`].includes(values.scene));
  const rows = chosen.flatMap((scene) => rowsOf(scene, nodeCount));
  const report = {
    title: "bench:decisions",
    columns: [
      ...["edits", "event", "decisions", "mean ms", "median ms", "most ms"],
      `most ms for each task begun ${atMost(msPerTaskMax)}`,
      `cores for all heartbeats ${atMost(heartbeatShareMax)}`,
    ],
    rows,
    notes: [
      `${nodeCount} nodes of slightly different speeds, that know the times of two sizes; clips ` +
        "of 24 frames of 512x512, 3 steps, 50 iterations. CPU time of the whole process, in " +
        "virtual time: no network, no store, no log.",
    ],
  };
  return publishReport(report, values);
}

await runBench(main, usage);
