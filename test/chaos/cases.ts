import type { FaultPoint } from "@retake/errors";
import { type Chance, chanceOf } from "../sim/random.js";

export const faults = [
  "kill-node",
  "stop-node",
  "partition-node",
  "kill-coordinator",
  "restart-nats",
  "lose-nats",
  "full-disk",
  "corrupt-shard",
  "duplicate-message",
] as const;
export type Fault = (typeof faults)[number] | "none" | "kill-all" | "stop-coordinator";

const moments = [
  "before-publish",
  "after-publish",
  "before-commit",
  "after-commit",
  "in-snapshot",
  "in-join",
  "in-sampling",
] as const;
export type Moment = Extract<FaultPoint, (typeof moments)[number]>;

/** What is broken, and when exactly. */
export interface ChaosCase {
  readonly name: string;
  readonly seed: number;
  readonly fault: Fault;
  readonly moment: Moment;
  /** The step of the moment; of `in-sampling` the iteration, inversion's and sampling's counted. */
  readonly step: number;
  /** The node that is broken, or any where only one can be at the moment: counted from 0. */
  readonly victim: number;
  readonly nodeCount: number;
  readonly natsCount: 1 | 3;
  readonly coordinatorCount: number;
}

/** Every edit of every case: an edit so small that a case takes seconds. */
export const editSettings = {
  ...{ frames: 2, width: 32, height: 32, steps: 12, draws: 4, ddim: 4, seed: 5 },
} as const;
export const snapshotEverySteps = 4;

const samplingPoints = 2 * editSettings.ddim;
const place = { nodeCount: 3, natsCount: 1, coordinatorCount: 1 } as const;

/** All cases, each decided by the seed and its own place in the list. */
export function chaosCases(seed: number): readonly ChaosCase[] {
  const cases = [...faultCases(), ...nodeCounts(), ...killPoints(), ...wholeCluster()];
  return cases.map(({ step, ...about }, index): ChaosCase => {
    const chance = chanceOf(seed + index);
    const victim = chance.whole({ min: 0, max: about.nodeCount - 1 });
    const { moment } = about;
    return { ...about, seed: seed + index, step: step ?? stepFor(moment, chance), victim };
  });
}

type Open = Omit<ChaosCase, "seed" | "victim" | "step"> & { readonly step?: number };

function faultCases(): readonly Open[] {
  return faults.flatMap((fault) =>
    moments.map((moment): Open => {
      const natsCount = fault === "lose-nats" ? 3 : 1;
      return { ...place, natsCount, name: `${fault} ${moment}`, fault, moment };
    }),
  );
}

/** Without any fault: the same bits for every number of nodes. */
function nodeCounts(): readonly Open[] {
  return [1, 2, 3, 4].map((nodeCount): Open => {
    const name = `none, nodes ${nodeCount}`;
    return { ...place, nodeCount, name, fault: "none", moment: "before-commit" };
  });
}

const tenPoints: readonly (readonly [Moment, number])[] = [
  ...([
    ["before-publish", 0],
    ["after-publish", 1],
    ["before-commit", 2],
  ] as const),
  ...([
    ["after-commit", 3],
    ["in-snapshot", 4],
    ["before-publish", 6],
  ] as const),
  ...([
    ["before-commit", 9],
    ["after-commit", 11],
    ["in-sampling", 2],
  ] as const),
  ["in-sampling", 8],
];

/** A node, and the coordinator, killed at each of ten points. */
function killPoints(): readonly Open[] {
  return (["kill-node", "kill-coordinator"] as const).flatMap((fault) =>
    tenPoints.map(([moment, step]): Open => {
      return { ...place, name: `${fault} ${moment} ${step}`, fault, moment, step };
    }),
  );
}

/** All processes at once, and two coordinators that both think that they lead. */
function wholeCluster(): readonly Open[] {
  const all = (["before-commit", "after-commit", "in-snapshot", "in-sampling"] as const).map(
    (moment): Open => ({ ...place, name: `kill-all ${moment}`, fault: "kill-all", moment }),
  );
  const two = (["before-publish", "before-commit", "after-commit", "in-sampling"] as const).map(
    (moment): Open => {
      const fault = "stop-coordinator";
      return { ...place, coordinatorCount: 2, name: `${fault} ${moment}`, fault, moment };
    },
  );
  return [...all, ...two];
}

function stepFor(moment: Moment, chance: Chance): number {
  if (moment === "in-snapshot") return snapshotEverySteps * chance.whole({ min: 1, max: 2 });
  if (moment === "in-sampling") return chance.whole({ min: 2, max: samplingPoints - 1 });
  return chance.whole({ min: 1, max: editSettings.steps - 2 });
}
