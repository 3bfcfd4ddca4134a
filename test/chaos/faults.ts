import { EditState } from "@retake/wire/edit";
import type { ChaosCase, Fault } from "./cases.js";
import type { ChaosCluster, ChaosNode } from "./chaos-cluster.js";
import type { Holding } from "./held-process.js";

/** Where a fault strikes: a process is held at the moment, until it is answered. */
export interface Strike {
  readonly cluster: ChaosCluster;
  readonly holding: Holding;
  readonly editId: Promise<string>;
  /** From now on every write of an artifact fails, or works again. */
  readonly setDiskFull: (isFull: boolean) => void;
}

type Inflict = (strike: Strike, about: ChaosCase) => Promise<void>;

const duplicatesMax = 100;

/** Breaks what the case says, lets the held process go on, and heals what does not stay broken. */
export async function inflict(about: ChaosCase, strike: Strike): Promise<void> {
  if (about.fault !== "none") await byName[about.fault](strike, about);
}

const byName: Readonly<Record<Exclude<Fault, "none">, Inflict>> = {
  "kill-node": async (strike, about) => {
    victimOf(strike, about).process.signal("SIGKILL");
    strike.holding.answer();
  },
  "stop-node": async (strike, about) => {
    const { process } = victimOf(strike, about);
    const lost = leaseLost(strike, process.name);
    process.signal("SIGSTOP");
    strike.holding.answer();
    await lost;
    process.signal("SIGCONT");
  },
  "partition-node": async (strike, about) => {
    const { process, up, down } = victimOf(strike, about);
    const lost = leaseLost(strike, process.name);
    const { natsProxy } = strike.cluster;
    for (const link of [up, down]) link.cut();
    natsProxy?.cut(process.name);
    strike.holding.answer();
    await lost;
    for (const link of [up, down]) link.heal();
    natsProxy?.heal();
  },
  "kill-coordinator": async ({ cluster, holding }) => {
    cluster.coordinators[0]?.signal("SIGKILL");
    holding.answer();
  },
  "stop-coordinator": async ({ cluster, holding }) => {
    const [active] = cluster.coordinators;
    const taken = cluster.said(/took over with epoch/);
    active?.signal("SIGSTOP");
    holding.answer();
    await taken;
    cluster.follow(1);
    active?.signal("SIGCONT");
  },
  "restart-nats": async ({ cluster, holding }) => {
    await cluster.nats.kill(0);
    holding.answer();
    await cluster.nats.restart();
  },
  "lose-nats": async ({ cluster, holding }, { seed }) => {
    await cluster.nats.kill(seed % cluster.nats.urls.length);
    holding.answer();
  },
  "kill-all": async ({ cluster, holding }) => {
    await cluster.nats.kill(0);
    for (const { process } of cluster.nodes) process.signal("SIGKILL");
    for (const coordinator of cluster.coordinators) coordinator.signal("SIGKILL");
    holding.answer();
    await cluster.nats.restart();
  },
  "full-disk": fillDisk,
  "corrupt-shard": async (strike, about) => {
    const { cluster, holding } = strike;
    if (about.moment === "in-sampling") victimOf(strike, about).down.corruptNext();
    else cluster.natsProxy?.corruptNextShard();
    holding.answer();
  },
  "duplicate-message": async ({ cluster, holding }) => {
    cluster.natsProxy?.duplicateNext(duplicatesMax);
    holding.answer();
  },
};

/** The disk of the process that writes next: the node's, the coordinator's, or that of NATS. */
async function fillDisk(strike: Strike, about: ChaosCase): Promise<void> {
  const { cluster, holding, editId, setDiskFull } = strike;
  const { moment } = about;
  if (moment === "in-snapshot" || moment === "in-join") {
    holding.answer("ENOSPC");
    return;
  }
  const paused = cluster.client.watch(await editId, ({ state, reason }) => {
    return state === EditState.EDIT_STATE_PAUSED && /no room/.test(reason);
  });
  if (moment === "in-sampling") setDiskFull(true);
  else await cluster.nats.fill("retake-commits");
  holding.answer();
  await paused;
  setDiskFull(false);
  await cluster.nats.makeRoom();
}

/** The node at the moment, or the one that the seed chose where that is the coordinator. */
function victimOf({ cluster, holding }: Strike, { victim }: ChaosCase): ChaosNode {
  const held = cluster.nodes.find(({ process }) => process === holding.process);
  const node = held ?? cluster.nodes[victim];
  if (node === undefined) throw new Error(`no node ${victim}`);
  return node;
}

function leaseLost({ cluster }: Strike, nodeId: string): Promise<void> {
  return cluster.said(new RegExp(`the lease of node ${nodeId} ran out`));
}
