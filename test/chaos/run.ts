import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { FaultPoint } from "@retake/errors";
import { runCommand } from "../run-command.js";
import { type ChaosCase, chaosCases } from "./cases.js";
import { type ChaosCluster, startChaosCluster } from "./chaos-cluster.js";
import { editAlone } from "./edit-alone.js";
import { restore } from "./restore.js";
import { type CaseEnd, CaseRun, type Expected } from "./run-case.js";
import { summary, tableHead, tableRow } from "./table.js";

/** How long a silent node keeps its place: what recovery is measured in. */
const leaseMs = 2_000;

const faultPoints: readonly FaultPoint[] = [
  ...(["before-publish", "after-publish", "applied", "before-commit", "after-commit"] as const),
  ...(["in-snapshot", "in-join", "in-sampling", "artifact-write"] as const),
];

interface Started {
  readonly cluster: ChaosCluster;
  /** Cases that need other processes cannot use it. */
  readonly kind: string;
}

const kindOf = ({ nodeCount, natsCount, coordinatorCount }: ChaosCase): string =>
  [nodeCount, natsCount, coordinatorCount].join();

/** Runs cases in order, on one cluster as long as nothing fails and all need the same. */
class ChaosRun {
  readonly #folder: string;
  readonly #expected: Expected;
  #started: Started | undefined;
  #present: CaseRun | undefined;
  #clusterCount = 0;

  constructor(folder: string, expected: Expected) {
    this.#folder = folder;
    this.#expected = expected;
  }

  async run(about: ChaosCase): Promise<CaseEnd> {
    const cluster = await this.#clusterFor(about);
    const videoId = await cluster.client.upload();
    this.#present = new CaseRun(about, this.#expected);
    const end = await this.#present.run(cluster, videoId);
    this.#present = undefined;
    // Whoever was in the wrong is in no later case's way.
    if (end.problems.length > 0) await this.stop();
    else await restore(cluster);
    return end;
  }

  async stop(): Promise<void> {
    await this.#started?.cluster.stop();
    this.#started = undefined;
  }

  async #clusterFor(about: ChaosCase): Promise<ChaosCluster> {
    const kind = kindOf(about);
    const isNew = this.#started?.kind !== kind || about.coordinatorCount > 1;
    if (!isNew && this.#started !== undefined) return this.#started.cluster;
    await this.stop();
    this.#clusterCount += 1;
    const { nodeCount, natsCount, coordinatorCount } = about;
    const cluster = await startChaosCluster({
      ...{ nodeCount, natsCount, coordinatorCount, leaseMs, faultPoints },
      folder: join(this.#folder, `cluster-${this.#clusterCount}`),
      cacheDir: join(this.#folder, "cache"),
      onHeld: (holding) => {
        if (this.#present === undefined) holding.answer();
        else this.#present.onHeld(holding);
      },
    });
    this.#started = { cluster, kind };
    return cluster;
  }
}

const usage = `npm run chaos -- [options]: breaks a cluster of real processes at chosen moments
  --only TEXT  cases whose name has the text, "kill-9" or "in-sampling" say
  --first N    of these, from the Nth on; default 1
  --cases N    so many of them; default all
  --seed S     of what is drawn; default 1
  --keep       leave the logs of a good run, too`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      first: { type: "string", default: "1" },
      cases: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      keep: { type: "boolean", default: false },
    },
  });
  const first = Number(values.first) - 1;
  const chosen = chaosCases(Number(values.seed))
    .filter(({ name }) => name.includes(values.only))
    .slice(first, first + Number(values.cases));
  const folder = await mkdtemp(join(tmpdir(), "retake-chaos-"));
  const run = new ChaosRun(folder, await editAlone(folder));
  const ends: { readonly about: ChaosCase; readonly end: CaseEnd }[] = [];
  process.once("SIGINT", () => void run.stop().then(() => process.exit(130)));
  console.log(tableHead());
  try {
    for (const about of chosen) {
      const end = await run.run(about);
      ends.push({ about, end });
      console.log(tableRow(about, end));
    }
  } finally {
    await run.stop();
  }
  const { text, isGood } = summary(ends, { leaseMs, seed: Number(values.seed) });
  console.log(text);
  if (isGood && !values.keep) await rm(folder, { recursive: true, force: true });
  else console.log(`logs: ${folder}`);
  return isGood ? 0 : 1;
}

await runCommand({ name: "chaos", usage }, main);
