import type { NodeView } from "../job/cluster-state.js";
import type { Leaver } from "../job/leavers.js";
import type { KubeObject } from "../kubernetes/objects.js";

export const joinedType = "retake.dev/Joined";

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** What is read of a pod. */
export interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string };
  readonly status?: { readonly conditions?: readonly PodCondition[] };
}

/** What is read of a Node of Kubernetes, which is a machine here. */
export interface Machine extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean };
}

/** What a pod's condition says of the node in it. */
export interface Joined {
  readonly status: "True" | "False";
  readonly reason: "Joined" | "Draining" | "Held" | "Quarantined" | "Lost";
  readonly message: string;
}

const reasons: Readonly<Record<NodeView["state"], Joined["reason"]>> = {
  ...{ ready: "Joined", draining: "Draining", held: "Held", quarantined: "Quarantined" },
};

/** Of a node as the coordinator sees it; undefined: its lease ran out. */
export function joinedOf(node: Pick<NodeView, "state" | "reason"> | undefined): Joined {
  if (node === undefined) {
    return { status: "False", reason: "Lost", message: "its lease ran out" };
  }
  const { state, reason } = node;
  // A node that works has a new reason with every little thing: none of them is a change.
  if (state === "ready") return { status: "True", reason: "Joined", message: "it takes work" };
  return { status: "False", reason: reasons[state], message: reason };
}

/** The conditions of a pod with this one in it; undefined: they say so already. */
export function withJoined(
  pod: Pod,
  joined: Joined,
  now: string,
): readonly PodCondition[] | undefined {
  const conditions = pod.status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === joinedType);
  const { status, reason, message } = joined;
  if (before?.status === status && before.reason === reason && before.message === message) {
    return undefined;
  }
  const since = before?.status === status ? before.lastTransitionTime : undefined;
  const others = conditions.filter(({ type }) => type !== joinedType);
  return [...others, { type: joinedType, ...joined, lastTransitionTime: since ?? now }];
}

/** The pods on machines that take no more of them, by name. */
export function cordonedPods(
  pods: ReadonlyMap<string, Pod>,
  machines: ReadonlyMap<string, Machine>,
): readonly Leaver[] {
  return [...pods.values()]
    .flatMap(({ metadata, spec }): Leaver[] => {
      const machine = spec?.nodeName ?? "";
      if (machines.get(machine)?.spec?.unschedulable !== true) return [];
      return [{ nodeId: metadata.name, reason: `its machine ${machine} is cordoned` }];
    })
    .toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
}
