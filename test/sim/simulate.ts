import {
  type DecideOptions,
  decide,
  defaultOptions,
  type EditSpec,
  isTerminal,
} from "@retake/coordinator/job";
import { Client } from "./client.js";
import type { Cluster } from "./cluster.js";
import { SimCoordinator } from "./coordinator.js";
import { planFaults } from "./faults.js";
import { SimNode } from "./node.js";
import type { Plant } from "./plants.js";
import type { Chance } from "./random.js";
import { Store } from "./store.js";
import { expectedOf } from "./toy.js";
import { World } from "./world.js";

/** A run that is not at rest after so long never will be. */
const horizonMs = 180_000;

const simOptions: DecideOptions = {
  ...defaultOptions,
  ...{ leaseDurationMs: 3_000, tickGapMaxMs: 1_500, taskStartGraceMs: 1_500 },
  ...{ taskStallMs: 4_000, stepStallMs: 4_000, nodeRestMs: 700, quarantineDurationMs: 2_000 },
  ...{ infrastructureRetriesMax: 10_000, disagreementsInRowMax: 100, shardCount: 4 },
};

export interface SimResult {
  readonly violations: readonly string[];
  /** The last things that happened. */
  readonly trace: readonly string[];
  /** How often what happened. */
  readonly counts: ReadonlyMap<string, number>;
  readonly virtualMs: number;
}

/** Runs one cluster from a seed until all its edits have ended; checks what must always hold. */
export function simulate(seed: number, plant?: Plant): SimResult {
  const world = new World(seed);
  const { chance } = world;
  const store = new Store(world);
  const nodes: SimNode[] = [];
  const coordinators: SimCoordinator[] = [];
  const options = simOptions;
  const decides = plant?.decide?.(decide) ?? decide;
  const cluster: Cluster = {
    ...{ world, store, nodes, coordinators, options, decide: decides, crashAtEffect: 0 },
  };
  if (plant?.isWithoutCompareAndSet) store.comparesAndSets = false;
  const nodeCount = chance.whole({ min: 1, max: 4 });
  // Of a third of the seeds, so that sharing a clip's frames is worth it.
  const slower = seed % 3 === 0 ? 300 : 1;
  for (let index = 0; index < nodeCount; index += 1) {
    const numericsId = index > 0 && chance.happens(0.15) ? "other" : "same";
    nodes.push(new SimNode(cluster, { name: `node-${index}`, numericsId, slower }));
  }
  coordinators.push(new SimCoordinator(cluster, "coordinator-0"));
  if (chance.happens(0.5)) coordinators.push(new SimCoordinator(cluster, "coordinator-1"));
  const editCount = chance.whole({ min: 1, max: 3 });
  const clients: Client[] = [];
  for (let index = 0; index < editCount; index += 1) {
    const spec = chosenSpec(chance, world.nowMs);
    const editId = `e${index}`;
    const cancelAtMs = chance.happens(0.12)
      ? world.nowMs + chance.whole({ min: 0, max: 6_000 })
      : 0;
    store.expected.set(editId, expectedOf(spec, options));
    clients.push(new Client(cluster, { editId, tenant: `t${index}`, spec, cancelAtMs }));
  }
  for (const process of [...coordinators, ...nodes, ...clients]) process.start();
  planFaults(cluster, clients);
  const startMs = world.nowMs;
  world.run(startMs + horizonMs, () => clients.every(({ isDone }) => isDone));
  const virtualMs = world.nowMs - startMs;
  if (world.violations.length === 0) for (const client of clients) judge(cluster, client);
  if (world.violations.length === 0) judgeLeaks(cluster);
  return { violations: world.violations, trace: world.trace, counts: world.counts, virtualMs };
}

function chosenSpec(chance: Chance, nowMs: number): EditSpec {
  const steps = chance.whole({ min: 0, max: 8 });
  const prompts = Array.from(
    { length: chance.whole({ min: 1, max: 2 }) },
    (_, index) => `p${index}`,
  );
  return {
    ...{ sourcePrompt: "a clip", prompts, negativePrompt: "", model: "m" },
    layout: chosenLayout(chance),
    videoId: String(chance.whole({ min: 0, max: 1e6 })),
    settings: {
      ...{ frames: chance.whole({ min: 1, max: 6 }), stride: 1, start: "0", width: 8, height: 8 },
      ...{ fit: "crop", steps, rate: 1, draws: chance.whole({ min: 1, max: 4 }), mode: "paper" },
      ...{ temporalStart: "no-op", memory: "fast", ddim: 3, strength: 1 },
      batch: chance.happens(0.15) ? chance.whole({ min: 2, max: 8 }) : 1,
      guidance: chance.happens(0.7) ? 7.5 : 1,
      seed: chance.whole({ min: 0, max: 1e6 }),
    },
    ...{ priority: 0, startByMs: 0 },
    finishByMs: chance.happens(0.05) ? nowMs + chance.whole({ min: 1_000, max: 9_000 }) : 0,
    snapshotEverySteps: chance.whole({ min: 0, max: 3 }),
  };
}

function chosenLayout(chance: Chance): EditSpec["layout"] {
  const others = ["one", "prompts", "branches", "draws"] as const;
  return chance.happens(0.7) ? "auto" : (others[chance.whole({ min: 0, max: 3 })] ?? "auto");
}

/** What must hold of an edit in the end. */
function judge({ world, store, coordinators }: Cluster, client: Client): void {
  const { editId, spec, cancelAtMs, received } = client;
  const record = store.records.get(editId)?.record;
  const expected = store.expected.get(editId);
  if (record === undefined && client.isRefused) {
    world.count("edit refused");
    return;
  }
  if (record === undefined || expected === undefined || !client.isDone) {
    const why = coordinators.map(({ state }) => state.edits.get(editId)?.record.reason).join(" / ");
    world.violate(`edit ${editId} did not end: ${record?.state ?? "not stored"}, ${why}`);
    return;
  }
  const mayEnd = ["succeeded"];
  if (expected.fails) mayEnd[0] = "failed";
  if (cancelAtMs > 0) mayEnd.push("canceled");
  if (spec.finishByMs > 0) mayEnd.push("failed");
  if (!mayEnd.includes(record.state)) {
    world.violate(`edit ${editId} ended ${record.state}: ${record.failure?.message}`);
  }
  world.count(`edit ${record.state}`);
  const frames = expected.frames[0]?.map(String) ?? [];
  if (received.some((artifactId, frame) => artifactId !== frames[frame])) {
    world.violate(`edit ${editId}: frames differ from those of an undisturbed run`);
  }
  if (record.layouts.some(({ measuredMs, reason }) => measuredMs <= 0 || reason === "")) {
    world.violate(`edit ${editId} ended with a layout that did not`);
  }
  if (record.state !== "succeeded") return;
  if (record.artifacts.files[0]?.artifactId !== String(expected.published)) {
    world.violate(`edit ${editId}: the result differs from that of an undisturbed run`);
  }
  const logged = store.logOf(editId).commits.length;
  if (logged !== spec.settings.steps) world.violate(`edit ${editId}: ${logged} steps in the log`);
}

/**
 * Given time, no node works on for an edit that has ended. A client that was refused goes on
 * asking: another coordinator may accept its edit meanwhile, by another clock.
 */
function judgeLeaks({ world, store, nodes }: Cluster): void {
  world.run(world.nowMs + 15_000, () => false);
  const isOpen = (editId: string): boolean => {
    const record = store.records.get(editId)?.record;
    return record !== undefined && !isTerminal(record);
  };
  for (const { name, jobs } of nodes) {
    const left = [...jobs].filter(([, { editId }]) => !isOpen(editId)).map(([taskId]) => taskId);
    if (left.length > 0) world.violate(`${name} still runs ${left.join(", ")}`);
  }
}
