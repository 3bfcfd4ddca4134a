import type { Client } from "./client.js";
import type { Cluster, CoordinatorPort, NodePort } from "./cluster.js";
import { linkOf, type Process } from "./world.js";

/** Until when faults happen: afterwards the cluster must come to rest. */
export const faultsMs = 8_000;

/** Plans the faults of a run: kinds and times by its seed. Some runs have none. */
export function planFaults(cluster: Cluster, clients: readonly Client[]): void {
  const { world, store } = cluster;
  const { chance } = world;
  world.faultsUntilMs = world.nowMs + faultsMs;
  const isNoisy = chance.happens(0.4);
  world.rates = {
    drop: isNoisy ? chance.next() * 0.08 : 0,
    duplicate: isNoisy ? chance.next() * 0.1 : 0,
    slow: isNoisy ? chance.next() * 0.1 : 0,
  };
  cluster.crashAtEffect = chance.happens(0.4) ? chance.next() * 0.03 : 0;
  const count = chance.happens(0.1) ? 0 : chance.whole({ min: 1, max: 8 });
  for (let index = 0; index < count; index += 1) {
    world.at(chance.whole({ min: 100, max: faultsMs - 500 }), () => disturb(cluster, clients));
  }
  world.at(faultsMs, () => {
    world.cutLinks.clear();
    store.isFull = false;
    store.isSlow = false;
    for (const node of cluster.nodes) {
      node.isFull = false;
      node.isCorrupt = false;
    }
  });
}

interface Target {
  readonly cluster: Cluster;
  readonly clients: readonly Client[];
  readonly node: NodePort;
  readonly coordinator: CoordinatorPort;
  readonly lastsMs: number;
}

type Fault = (target: Target) => void;

function disturb(cluster: Cluster, clients: readonly Client[]): void {
  const { chance } = cluster.world;
  const pick = <Type>(list: readonly Type[]): Type | undefined =>
    list[chance.whole({ min: 0, max: list.length - 1 })];
  const node = pick(cluster.nodes);
  const coordinator = pick(cluster.coordinators);
  const lastsMs = chance.whole({ min: 200, max: 5_000 });
  if (node === undefined || coordinator === undefined) return;
  pick(faults)?.({ cluster, clients, node, coordinator, lastsMs });
}

const restartMs = ({ cluster }: Target): number =>
  cluster.world.chance.whole({ min: 50, max: 4_000 });

const killNode: Fault = (target) => target.node.crash(restartMs(target));

const killAll: Fault = (target) => {
  const { world, nodes, coordinators } = target.cluster;
  world.count("all killed");
  for (const process of [...nodes, ...coordinators]) process.crash(restartMs(target) / 2);
};

const stopNode: Fault = ({ cluster, node, lastsMs }) => stop(cluster, node, lastsMs);
const stopCoordinator: Fault = ({ cluster, coordinator, lastsMs }) =>
  stop(cluster, coordinator, lastsMs);

function stop({ world }: Cluster, process: Process, forMs: number): void {
  world.count(`stopped ${process.name.slice(0, 4)}`);
  world.note(`${process.name} is stopped for ${forMs} ms`);
  process.stoppedUntilMs = Math.max(process.stoppedUntilMs, world.nowMs + forMs);
}

const cutLink: Fault = ({ cluster, node, lastsMs }) => {
  const others = [...cluster.nodes, ...cluster.coordinators].filter((other) => other !== node);
  const other = others[cluster.world.chance.whole({ min: 0, max: others.length - 1 })];
  if (other) cut(cluster, [other, node], lastsMs);
};

const isolate: Fault = ({ cluster, clients, node, lastsMs }) => {
  const others = [...cluster.nodes, ...cluster.coordinators, ...clients.slice(0, 1)];
  for (const other of others) if (other !== node) cut(cluster, [other, node], lastsMs);
};

function cut({ world }: Cluster, ends: readonly [Process, Process], forMs: number): void {
  world.count("cut link");
  const link = linkOf(ends[0].name, ends[1].name);
  world.note(`${link} is cut for ${forMs} ms`);
  world.cutLinks.add(link);
  world.at(forMs, () => world.cutLinks.delete(link));
}

const jumpClock: Fault = ({ cluster, coordinator }) => {
  cluster.world.count("clock jump");
  coordinator.clockOffsetMs += cluster.world.chance.whole({ min: -20_000, max: 20_000 });
};

const slowDisk: Fault = ({ cluster, lastsMs }) => {
  cluster.world.count("slow disk");
  cluster.store.isSlow = true;
  cluster.world.at(lastsMs, () => {
    cluster.store.isSlow = false;
  });
};

const fillStore: Fault = ({ cluster, lastsMs }) => {
  cluster.world.count("full store");
  cluster.store.isFull = true;
  cluster.world.at(lastsMs, () => {
    cluster.store.isFull = false;
  });
};

const fillNode: Fault = ({ cluster, node, lastsMs }) => {
  node.isFull = true;
  cluster.world.at(lastsMs, () => {
    node.isFull = false;
  });
};

const corruptShard: Fault = ({ node }) => {
  node.isCorrupt = true;
};

const drain: Fault = ({ cluster, node, coordinator, lastsMs }) => {
  cluster.world.count("drain");
  coordinator.handle({ kind: "drain", nodeId: node.name });
  cluster.world.at(lastsMs, () => node.crash(200));
};

const faults: readonly Fault[] = [
  ...[killNode, killNode, (target: Target) => target.coordinator.crash(restartMs(target))],
  ...[killAll, stopNode, stopCoordinator, cutLink, isolate, jumpClock, slowDisk, fillStore],
  ...[fillNode, corruptShard, drain],
];
