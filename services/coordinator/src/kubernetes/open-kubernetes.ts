import type { RetakeError } from "@retake/errors";
import type { NodeDiscovery } from "../loop/node-discovery.js";
import type { EpochLock, LeaderRecords } from "../store/epoch-lock.js";
import type { LeaderSight } from "../store/leader-sight.js";
import { createKubeLeaseRecords } from "./kube-lease.js";
import { callsPerLease, createKubeLock } from "./kube-lock.js";
import { LeaderLabel } from "./leader-label.js";
import type { KubeNamespace } from "./open-namespace.js";
import { createSliceDiscovery } from "./slice-discovery.js";

/** The Lease of all coordinators of a namespace: `deploy/k8s/base` lets them write no other. */
const leaseName = "coordinator";
/** The Service of the nodes there. */
const nodesService = "gpu-node";
const relistEveryMs = 30_000;

export interface KubernetesOptions extends KubeNamespace {
  readonly leaseDurationMs: number;
  /** Of either server: it is asked again. */
  readonly onUnavailable: (error: RetakeError) => void;
  readonly sight: LeaderSight;
  /** The one that it runs in, if it does: it says there whether it leads. */
  readonly pod: string | undefined;
}

/** What a coordinator that leads by Kubernetes has of it. */
export interface Kubernetes {
  readonly createLock: (leaders: LeaderRecords) => EpochLock;
  readonly discovery: NodeDiscovery;
  readonly label: LeaderLabel | undefined;
}

/** By the Lease `coordinator` of the namespace, and the pods of the Service `gpu-node`. */
export function openKubernetes(options: KubernetesOptions): Kubernetes {
  const { client, namespace, leaseDurationMs, onUnavailable, sight, pod } = options;
  const records = createKubeLeaseRecords({
    ...{ client, namespace, name: leaseName, nowUnixMs: Date.now },
    deadlineMs: leaseDurationMs / callsPerLease,
  });
  const lease = sight.through(records);
  const about = { client, namespace, relistEveryMs, onError: onUnavailable };
  return {
    createLock: (leaders) => createKubeLock({ leaseDurationMs, onUnavailable, lease, leaders }),
    discovery: createSliceDiscovery({
      ...{ client, namespace, service: nodesService, relistEveryMs, onError: onUnavailable },
    }),
    label: pod === undefined ? undefined : new LeaderLabel({ ...about, pod }),
  };
}
