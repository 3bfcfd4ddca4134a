import { Code, RetakeError } from "@retake/errors";
import type { NodeDiscovery } from "../loop/node-discovery.js";
import type { EpochLock, LeaderRecords } from "../store/epoch-lock.js";
import { createKubeClient } from "./client.js";
import { findKubernetes } from "./https-transport.js";
import { createKubeLeaseRecords } from "./kube-lease.js";
import { callsPerLease, createKubeLock } from "./kube-lock.js";
import { createSliceDiscovery } from "./slice-discovery.js";

/** The Lease of all coordinators of a namespace: `deploy/k8s/base` lets them write no other. */
const leaseName = "coordinator";
/** The Service of the nodes there. */
const nodesService = "gpu-node";
const relistEveryMs = 30_000;

export interface KubernetesOptions {
  /** Default: that of the service account, or of the kubeconfig's context. */
  readonly namespace?: string | undefined;
  readonly leaseDurationMs: number;
  /** Of either server: it is asked again. */
  readonly onUnavailable: (error: RetakeError) => void;
}

/** What a coordinator has of Kubernetes. */
export interface Kubernetes {
  readonly createLock: (leaders: LeaderRecords) => EpochLock;
  readonly discovery: NodeDiscovery;
}

/**
 * Finds the API server, the Lease `coordinator` there, and the pods of the Service `gpu-node`.
 *
 * @throws RetakeError  bad-option where there is no API server, or no namespace
 */
export function openKubernetes(options: KubernetesOptions): Kubernetes {
  const { leaseDurationMs, onUnavailable } = options;
  const { transport, namespace: found } = findKubernetes();
  const namespace = options.namespace ?? found;
  if (namespace === undefined) {
    const message =
      "--kubernetes: expected a namespace of the service account or of the kubeconfig's context, " +
      "got none; give --kubernetes-namespace";
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  const client = createKubeClient({ transport });
  const lease = createKubeLeaseRecords({
    ...{ client, namespace, name: leaseName, nowUnixMs: Date.now },
    deadlineMs: leaseDurationMs / callsPerLease,
  });
  return {
    createLock: (leaders) => createKubeLock({ leaseDurationMs, onUnavailable, lease, leaders }),
    discovery: createSliceDiscovery({
      ...{ client, namespace, service: nodesService, relistEveryMs, onError: onUnavailable },
    }),
  };
}
