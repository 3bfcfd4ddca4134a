import type { Client } from "./client.js";
import type { Cluster } from "./coordinator.js";
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

function disturb(cluster: Cluster, clients: readonly Client[]): void {
  const { world, store, nodes, coordinators } = cluster;
  const { chance } = world;
  const pick = <Type>(list: readonly Type[]): Type | undefined =>
    list[chance.whole({ min: 0, max: list.length - 1 })];
  const node = pick(nodes);
  const coordinator = pick(coordinators);
  const lastsMs = chance.whole({ min: 200, max: 5_000 });
  if (node === undefined || coordinator === undefined) return;
  const faults: readonly (() => void)[] = [
    () => node.crash(chance.whole({ min: 50, max: 4_000 })),
    () => node.crash(chance.whole({ min: 50, max: 4_000 })),
    () => coordinator.crash(chance.whole({ min: 50, max: 4_000 })),
    () => stop(node, lastsMs),
    () => stop(coordinator, lastsMs),
    () => cut([pick<Process>([...nodes, ...coordinators]) ?? node, node], lastsMs),
    () => {
      const others = [...nodes, ...coordinators, ...clients.slice(0, 1)];
      for (const other of others) cut([other, node], lastsMs);
    },
    () => {
      world.count("clock jump");
      coordinator.clockOffsetMs += chance.whole({ min: -20_000, max: 20_000 });
    },
    () => {
      world.count("slow disk");
      store.isSlow = true;
      world.at(lastsMs, () => {
        store.isSlow = false;
      });
    },
    () => {
      world.count("full store");
      store.isFull = true;
      world.at(lastsMs, () => {
        store.isFull = false;
      });
    },
    () => {
      node.isFull = true;
      world.at(lastsMs, () => {
        node.isFull = false;
      });
    },
    () => {
      node.isCorrupt = true;
    },
    () => {
      world.count("drain");
      coordinator.handle({ kind: "drain", nodeId: node.name });
      world.at(lastsMs, () => node.crash(200));
    },
    () => {
      world.count("all killed");
      for (const one of nodes) one.crash(chance.whole({ min: 50, max: 1_500 }));
      for (const one of coordinators) one.crash(chance.whole({ min: 50, max: 1_500 }));
    },
  ];
  pick(faults)?.();

  function stop(process: Process, forMs: number): void {
    world.count(`stopped ${process.name.slice(0, 4)}`);
    world.note(`${process.name} is stopped for ${forMs} ms`);
    process.stoppedUntilMs = Math.max(process.stoppedUntilMs, world.nowMs + forMs);
  }

  function cut([left, right]: readonly [Process, Process], forMs: number): void {
    if (left === right) return;
    world.count("cut link");
    const link = linkOf(left.name, right.name);
    world.note(`${link} is cut for ${forMs} ms`);
    world.cutLinks.add(link);
    world.at(forMs, () => world.cutLinks.delete(link));
  }
}
