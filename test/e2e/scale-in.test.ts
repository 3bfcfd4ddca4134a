import { join } from "node:path";
import { type Edit, EditState } from "@retake/wire/edit";
import type { ScaleResponse } from "@retake/wire/membership";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type ChaosCluster, startChaosCluster } from "../chaos/chaos-cluster.js";
import { type ControlledPool, fixedNodes, statefulSetNodes } from "./node-control.js";
import { createWorkplace, retake, type Workplace } from "./retake-process.js";
import { Ledger, ledgerPoints, type Moment } from "./scale-ledger.js";

/** So small that an edit takes seconds, and long enough to be interrupted. */
const settings = { frames: 2, width: 32, height: 32, steps: 8, draws: 4, ddim: 4, seed: 5 };
const nodeCount = 3;
const tuning = { kind: "tuning", committedSteps: 3 } as const;
const sampling = { kind: "sampling", iterations: 2 } as const;
const patience = { timeout: 120_000, interval: 50 };
/** On a machine that does much else; alone, a case takes seconds. */
const caseDurationMsMax = 900_000;

/** What an edit has come to: the same whoever was there. */
interface Bits {
  readonly delta: string;
  readonly frames: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly weightsHash: string;
}

let workplace: Workplace;
/** What comes of the edit where nobody is removed. */
let undisturbed: Bits | undefined;
const ledger = new Ledger();
const figures: string[] = [];

beforeAll(async () => {
  workplace = await createWorkplace();
});
afterAll(async () => {
  process.stdout.write(`\n${figures.join("\n")}\n`);
  await workplace.remove();
});

/** A cluster under test, and what is asked of it by `retake`. */
interface Open {
  readonly pool: ControlledPool;
  readonly cluster: ChaosCluster;
  readonly videoId: string;
}

async function start(name: string, pool: ControlledPool): Promise<Open> {
  const cluster = await startChaosCluster({
    ...{ folder: join(workplace.path, name), cacheDir: workplace.cacheDir },
    ...{
      nodeCount,
      leaseMs: 10_000,
      natsCount: 1,
      leaderLeaseMs: 10_000,
      faultPoints: ledgerPoints,
      pool: pool.control,
    },
    onHeld: (holding) => ledger.onHeld(holding),
  });
  pool.follow(cluster);
  return { pool, cluster, videoId: await cluster.client.upload() };
}

const isOver = ({ state }: Edit): boolean =>
  state !== EditState.EDIT_STATE_QUEUED &&
  state !== EditState.EDIT_STATE_RUNNING &&
  state !== EditState.EDIT_STATE_PAUSED;

/** Runs an edit; at a moment, the process that is there waits until `disturb` has begun. */
async function runEdit(
  { cluster, videoId }: Open,
  about: { readonly name: string; readonly draws?: number; readonly moment?: Moment },
  disturb: (nodeId: string) => Promise<void> = async () => {},
): Promise<Bits> {
  const { name, draws = settings.draws, moment } = about;
  const { client } = cluster;
  ledger.begin();
  const held = moment === undefined ? undefined : ledger.until(moment);
  // Without snapshots: a step that is lost is computed again from the very first on.
  const request = { settings: { ...settings, draws }, snapshotEverySteps: 0 };
  const id = await client.submit(videoId, { ...request, requestId: name });
  const ended = client.watch(id, isOver);
  if (held !== undefined) {
    const holding = await Promise.race([held, ended.then(() => undefined)]);
    if (holding === undefined) throw new Error(`${name}: the moment never came`);
    await disturb(String(holding.about["nodeId"] ?? ""));
    holding.answer();
  }
  const edit = await ended;
  expect([edit.state, edit.failure?.message ?? ""]).toEqual(["EDIT_STATE_SUCCEEDED", ""]);
  const files = edit.files.filter(({ name: file }) => /\.(mp4|png)$/.test(file));
  return {
    delta: await client.tensorsDigest(id),
    frames: await client.frameDigests(id),
    files: Object.fromEntries(files.map(({ name: file, artifactId }) => [file, artifactId])),
    weightsHash: edit.weightsHash,
  };
}

/** The bits of the edit in a cluster of three that nobody disturbs. */
async function bitsOfAll(open: Open): Promise<Bits> {
  if (undisturbed === undefined) {
    undisturbed = await runEdit(open, { name: "undisturbed" });
    expectNothingLost("3 nodes, nobody removed");
  }
  return undisturbed;
}

/** No committed step and no stored iteration was computed again; each was committed once. */
function expectNothingLost(name: string): void {
  const { committed, again, iterations, members } = ledger;
  expect(committed).toEqual(Array.from({ length: settings.steps }, (_, step) => step));
  expect(iterations).toHaveLength(2 * settings.ddim);
  expect(again).toEqual([]);
  const nodesBefore = members.get(tuning.committedSteps - 1)?.size ?? 0;
  const nodesAfter = members.get(settings.steps - 1)?.size ?? 0;
  const samplers = new Set(iterations.slice(settings.ddim).map(({ nodeId }) => nodeId)).size;
  figures.push(
    `${name}: ${again.length} committed steps or iterations lost; ${committed.length} steps, ` +
      `${nodesBefore} -> ${nodesAfter} members; ${samplers} sampled one after the other; same bits`,
  );
}

/** Asks for fewer nodes in the middle, and waits there until those that leave have heard of it. */
function scalesTo(count: number, { pool, cluster }: Open) {
  const answers: Promise<ScaleResponse>[] = [];
  const disturb = async (): Promise<void> => {
    pool.draining.clear();
    const begun = cluster.said(/^the pool shrinks/);
    const args = ["scale", `${count}`, "--wait", "--json"];
    const to = ["--coordinator", `127.0.0.1:${cluster.port}`];
    const asking = retake(workplace, [...args, ...to]).then(({ out, err }) => {
      expect(err).toBe("");
      return JSON.parse(out);
    });
    answers.push(asking);
    await Promise.race([begun, asking]);
    await vi.waitFor(() => expect(pool.draining.size).toBe(nodeCount - count), patience);
  };
  return { disturb, answer: async () => answers[0] };
}

/** Drains a node in the middle, and waits there until it has heard of it. */
function drains({ pool, cluster }: Open) {
  const answers: ReturnType<typeof retake>[] = [];
  const disturb = async (nodeId: string): Promise<void> => {
    pool.draining.clear();
    const to = ["--coordinator", `127.0.0.1:${cluster.port}`];
    answers.push(retake(workplace, ["drain", nodeId, ...to]));
    await vi.waitFor(() => expect([...pool.draining]).toEqual([nodeId]), patience);
  };
  return { disturb, answer: async () => answers[0] };
}

describe("scale-in of a fixed set of nodes, in the middle", () => {
  let open: Open | undefined;
  afterEach(async () => {
    await open?.cluster.stop();
    open = undefined;
  });

  it.each([
    ["tuning", tuning],
    ["sampling", sampling],
  ] as const)(
    "of %s: from 3 to 1, nothing lost, the same bits",
    async (what, moment) => {
      const { cluster, ...rest } = await start(`fixed-${what}`, fixedNodes());
      open = { cluster, ...rest };
      const expected = await bitsOfAll(open);
      const { disturb, answer } = scalesTo(1, open);
      const bits = await runEdit(open, { name: what, moment }, disturb);
      expect(bits).toEqual(expected);
      expectNothingLost(`${what}, fixed nodes 3 -> 1`);
      expect(await answer()).toMatchObject({ pool: "static", countBefore: 3, count: 1 });
      expect((await answer())?.leaving.map(({ handedOver }) => handedOver)).toEqual([true, true]);
      // The processes have ended by themselves, and stay so.
      await cluster.client.untilWhole(1);
      expect(cluster.nodes.filter(({ process }) => process.isRunning)).toHaveLength(1);
    },
    caseDurationMsMax,
  );
});

describe("scale-in of a StatefulSet, in the middle", () => {
  let open: Open;
  beforeAll(async () => {
    open = await start("stateful-set", await statefulSetNodes(workplace.path));
  }, caseDurationMsMax);
  afterAll(async () => {
    await open.pool.close();
    await open.cluster.stop();
  });

  it.each([
    ["tuning", tuning],
    ["sampling", sampling],
  ] as const)(
    "of %s: from 3 to 1, nothing lost, the same bits",
    async (what, moment) => {
      const { pool, cluster } = open;
      const expected = await bitsOfAll(open);
      await cluster.client.untilWhole(nodeCount);
      pool.terminated.length = 0;
      const { disturb, answer } = scalesTo(1, open);
      expect(await runEdit(open, { name: what, moment }, disturb)).toEqual(expected);
      expectNothingLost(`${what}, StatefulSet 3 -> 1`);
      const { leaving = [], ...size } = (await answer()) ?? {};
      expect(size).toMatchObject({ pool: "stateful-set", countBefore: 3, count: 1 });
      expect(leaving.map(({ nodeId, handedOver }) => [nodeId, handedOver])).toEqual([
        ["gpu-node-2", true],
        ["gpu-node-1", true],
      ]);
      const [left] = await cluster.client.untilWhole(1);
      expect(left?.node?.nodeId).toBe("gpu-node-0");
      // It grows again at once, with the same names.
      const asked = ["scale", "3", "--wait", "--coordinator", `127.0.0.1:${cluster.port}`];
      expect((await retake(workplace, asked)).err).toBe("");
      const nodes = await cluster.client.untilWhole(nodeCount);
      expect(new Set(nodes.map(({ node }) => node?.nodeId))).toEqual(
        new Set(["gpu-node-0", "gpu-node-1", "gpu-node-2"]),
      );
    },
    caseDurationMsMax,
  );

  it(
    "loses nothing when the only node that tunes is drained",
    async () => {
      const alone = { draws: 1 };
      const before = await runEdit(open, { ...alone, name: "alone" });
      const { disturb, answer } = drains(open);
      const about = { ...alone, name: "drained", moment: tuning };
      const after = await runEdit(open, about, () => {
        const [tuner = ""] = ledger.members.get(tuning.committedSteps - 1) ?? [];
        return disturb(tuner);
      });
      expect(after).toEqual(before);
      expectNothingLost("tuning of 1 draw, its only node drained");
      expect((await answer())?.code).toBe(0);
      expect(new Set([...ledger.members.values()].flatMap((names) => [...names])).size).toBe(2);
    },
    caseDurationMsMax,
  );

  it(
    "loses nothing when the node that samples is drained",
    async () => {
      const expected = await bitsOfAll(open);
      await open.cluster.client.untilWhole(nodeCount);
      const { disturb, answer } = drains(open);
      const about = { name: "sampler-drained", moment: sampling };
      expect(await runEdit(open, about, disturb)).toEqual(expected);
      expectNothingLost("sampling, the node that samples drained");
      expect((await answer())?.code).toBe(0);
    },
    caseDurationMsMax,
  );
});
