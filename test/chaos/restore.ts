import { setTimeout as delay } from "node:timers/promises";
import type { ChaosCluster } from "./chaos-cluster.js";

const pauseMs = 100;

/** Heals what is broken still, and waits until the cluster is as good as new. */
export async function restore(cluster: ChaosCluster): Promise<void> {
  const { nodes, coordinators, nats, natsProxy, client } = cluster;
  await nats.restart();
  natsProxy?.heal();
  for (const { up, down } of nodes) for (const link of [up, down]) link.heal();
  for (const { process } of nodes) process.signal("SIGCONT");
  for (const coordinator of coordinators) coordinator.signal("SIGCONT");
  // A node that is left alone for a while would be missing in the next case.
  for (const { node, reason } of await client.nodes()) {
    const found = nodes.find(({ process }) => process.name === node?.nodeId);
    if (reason !== "joined") found?.process.signal("SIGKILL");
  }
  while (!(await isFresh(cluster))) await delay(pauseMs);
}

async function isFresh({ nodes, client }: ChaosCluster): Promise<boolean> {
  const joined = await client.nodes();
  return nodes.every(({ process }) =>
    joined.some(
      ({ node, tasks, reason }) =>
        node?.nodeId === process.name &&
        node.pid === process.pid &&
        tasks.length === 0 &&
        reason === "joined",
    ),
  );
}
