import { createMemoryStores, jsonCodec } from "@retake/coordinator";
import type { LeaderRecords } from "@retake/coordinator/kubernetes";
import { type Chance, chanceOf } from "../../sim/random.js";
import { ApiState } from "../api-state.js";
import type { Journey } from "../journeys.js";
import { type Machine, VirtualTime } from "../virtual-time.js";
import { Ledger } from "./ledger.js";

/** A bug of a test: that it is found shows that the schedules can find it. */
export interface Plant {
  readonly name: string;
  /** Another way to keep the Lease. */
  readonly lease?: (lease: LeaderRecords, about: PlantedPlace) => LeaderRecords;
  /** The store takes writes whatever their epoch. */
  readonly isUnfenced?: boolean;
  /** How long a watch is believed. */
  readonly relistEveryMs?: number;
}

export interface PlantedPlace {
  readonly world: World;
  readonly machine: Machine;
}

export interface Step {
  readonly editId: string;
  readonly epoch: number;
  readonly step: number;
}

export const leaseDurationMs = 15_000;
export const leasePath = "/apis/coordination.k8s.io/v1/namespaces/retake/leases/coordinator";
export const slices = "/apis/discovery.k8s.io/v1/namespaces/retake/endpointslices";

type StepStores = ReturnType<typeof createMemoryStores<unknown, Step>>;

/** The servers of a schedule, and what is wrong with them. */
export interface World {
  readonly time: VirtualTime;
  readonly chance: Chance;
  readonly state: ApiState;
  readonly stores: StepStores;
  readonly ledger: Ledger;
  readonly plant: Plant | undefined;
  /** For everybody. */
  apiMode: Journey["mode"];
  storeMode: Journey["mode"];
  /** What is in the token's file. */
  token: string;
  /** Of the collection that everybody follows. */
  changeCount: number;
}

export function createWorld(seed: number, plant: Plant | undefined): World {
  const time = new VirtualTime();
  const world: World = {
    ...{ time, plant, chance: chanceOf(seed), ledger: new Ledger(time), stores: createStores() },
    state: new ApiState({ nowMs: () => time.nowMs }),
    ...{ apiMode: "well", storeMode: "well", token: "token-0", changeCount: 0 },
  };
  world.state.faults.tokens = new Set([world.token]);
  change(world);
  return world;
}

/** A change that whoever follows the collection should know of. */
export function change(world: World): void {
  world.changeCount += 1;
  const annotations = { change: String(world.changeCount) };
  world.state.put(`${slices}/gpu-node-abc`, { metadata: { annotations } });
}

function createStores(): StepStores {
  const record = jsonCodec((json) => json);
  return createMemoryStores({ record, commit: jsonCodec((json) => json as Step) });
}
