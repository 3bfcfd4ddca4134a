import { Code, RetakeError } from "@retake/errors";
import type { KubeClient } from "../kubernetes/client.js";
import type { PoolTarget } from "./kubernetes-pool.js";
import type { Pool } from "./pool.js";
import { createStaticPool } from "./static-pool.js";

/** The nodes' controller, by the kind that kubectl calls it by. */
export type PoolName = Pick<PoolTarget, "kind" | "name">;

const kinds: ReadonlyMap<string, PoolTarget["kind"]> = new Map([
  ["statefulset", "stateful-set"],
  ["leaderworkerset", "leader-worker-set"],
]);

export interface PoolSetting extends PoolName {
  /** Default: that of the service account, or of the kubeconfig's context. */
  readonly namespace: string | undefined;
}

export interface OpenedPool {
  readonly pool: Pool;
  /** Where its pods are; undefined for nodes that are no pods. */
  readonly kubernetes: { readonly client: KubeClient; readonly namespace: string } | undefined;
}

/** @throws RetakeError  `bad-option` */
export function decodePoolName(text: string, { flag }: { readonly flag: string }): PoolName {
  const [, kindText = "", name = ""] = /^([a-z]+)\/([a-z0-9][a-z0-9.-]{0,62})$/.exec(text) ?? [];
  const kind = kinds.get(kindText);
  if (kind !== undefined) return { kind, name };
  const expected = "statefulset/NAME or leaderworkerset/NAME";
  throw new RetakeError(
    Code.InvalidArgument,
    "bad-option",
    `${flag}: expected ${expected}, got ${text}`,
  );
}

/**
 * The pool that a coordinator scales: a controller's; without a name, the nodes that have joined,
 * however they were started.
 *
 * @throws RetakeError  `bad-option` where there is no API server to ask
 */
export async function openPool(named: PoolSetting | undefined): Promise<OpenedPool> {
  if (named === undefined) return { pool: createStaticPool(), kubernetes: undefined };
  // Its library is large, and a coordinator without Kubernetes starts without it.
  const { createKubeClient, findKubernetes } = await import("../kubernetes/index.js");
  const { createKubernetesPool } = await import("./kubernetes-pool.js");
  const found = findKubernetes();
  const namespace = named.namespace ?? found.namespace ?? "default";
  const client = createKubeClient({ transport: found.transport });
  const pool = createKubernetesPool(client, { ...named, namespace });
  return { pool, kubernetes: { client, namespace } };
}
