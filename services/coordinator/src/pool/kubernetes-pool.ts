import { Code, RetakeError } from "@retake/errors";
import type { PoolKind } from "../job/leavers.js";
import type { KubeClient } from "../kubernetes/client.js";
import type { KubeObject } from "../kubernetes/objects.js";
import { untilTaken } from "../kubernetes/until-taken.js";
import type { Pool, PoolCounts } from "./pool.js";

/** What is scaled: a StatefulSet or a LeaderWorkerSet. */
export interface PoolTarget {
  readonly kind: Exclude<PoolKind, "static">;
  readonly namespace: string;
  readonly name: string;
}

interface Scale extends KubeObject {
  readonly spec: { readonly replicas?: number };
}

const collections: Readonly<Record<PoolTarget["kind"], (namespace: string) => string>> = {
  "stateful-set": (namespace) => `/apis/apps/v1/namespaces/${namespace}/statefulsets`,
  "leader-worker-set": (namespace) =>
    `/apis/leaderworkerset.x-k8s.io/v1/namespaces/${namespace}/leaderworkersets`,
};
/** The controller writes the object's status all the while: such a write is no other count. */
const conflictsMax = 10;

/**
 * A pool whose controller starts and ends the nodes; it is asked through the scale subresource.
 * The controller removes the highest numbers, and nothing can be said about whom it should: who
 * leaves has to be drained before.
 */
export function createKubernetesPool(client: KubeClient, target: PoolTarget): Pool {
  const { kind, namespace, name } = target;
  const path = `${collections[kind](namespace)}/${name}/scale`;
  const read = (): Promise<Scale> => client.call<Scale>({ method: "GET", path });
  return {
    view: async () => ({ kind, name, count: (await read()).spec.replicas ?? 0 }),
    resize: async (counts, signal) => {
      if (counts.from === counts.to) return;
      await untilTaken(conflictsMax, async () => {
        signal.throwIfAborted();
        const scale = await read();
        if (scale.spec.replicas === counts.to) return;
        assertAsSeen(scale, counts, `${kind} ${namespace}/${name}`);
        const { resourceVersion } = scale.metadata;
        const body = { metadata: { resourceVersion }, spec: { replicas: counts.to } };
        await client.call({ method: "PATCH", path, body });
      });
    },
  };
}

/** Another hand, or an autoscaler, may have asked meanwhile: a stale count would undo that. */
function assertAsSeen({ spec }: Scale, { from, to }: PoolCounts, subject: string): void {
  const { replicas = 0 } = spec;
  if (replicas === from) return;
  const message =
    `${subject}: expected ${from} replicas, which shall be ${to}, got ${replicas}; ` +
    "somebody else has scaled it: ask again";
  throw new RetakeError(Code.FailedPrecondition, "pool-changed", message);
}
