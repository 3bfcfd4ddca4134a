import { Code, RetakeError } from "@retake/errors";
import {
  createEpochLock,
  type EpochLock,
  type EpochLockOptions,
  type LeaderRecords,
  systemClock,
} from "../store/epoch-lock.js";
import { createGatedLock } from "../store/gated-lock.js";
import { createKubeClient } from "./client.js";
import { findKubernetes } from "./https-transport.js";
import { createKubeLeaseRecords } from "./kube-lease.js";

/** The Lease of all coordinators of a namespace: `deploy/k8s/base` lets them write no other. */
const leaseName = "coordinator";
/** No answer, of either server, is waited for longer than such a part of a lease. */
const callsPerLease = 3;

export interface KubeLockOptions extends EpochLockOptions {
  /** Of the Lease: `createKubeLeaseRecords`. */
  readonly lease: LeaderRecords;
  /** Of the store, whose epochs fence. */
  readonly leaders: LeaderRecords;
}

/**
 * Leadership by a Lease of Kubernetes, with the epoch of the store. The Lease says who tries; the
 * store's epoch is raised by whoever holds it, and keeps out all that came before.
 */
export function createKubeLock({ lease, leaders, ...options }: KubeLockOptions): EpochLock {
  const { clock = systemClock, leaseDurationMs } = options;
  return createGatedLock({
    gate: createEpochLock(lease, options),
    lockBehind: (isVacant) => createEpochLock(leaders, { ...options, isVacant }),
    ...{ clock, patienceMs: leaseDurationMs / callsPerLease },
  });
}

export type OpenKubeLockOptions = Omit<EpochLockOptions, "clock" | "isVacant"> & {
  /** Default: that of the service account, or of the kubeconfig's context. */
  readonly namespace?: string | undefined;
};

/**
 * Finds the API server, and the Lease `coordinator` there.
 *
 * @returns how to lead, given the leaders' records of the store
 * @throws RetakeError  bad-option where there is no API server, or no namespace
 */
export function openKubeLock({
  namespace: named,
  ...options
}: OpenKubeLockOptions): (leaders: LeaderRecords) => EpochLock {
  const { transport, namespace: found } = findKubernetes();
  const namespace = named ?? found;
  if (namespace === undefined) {
    const message =
      "--kubernetes: expected a namespace of the service account or of the kubeconfig's context, " +
      "got none; give --kubernetes-namespace";
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  const lease = createKubeLeaseRecords({
    ...{ client: createKubeClient({ transport }), namespace, name: leaseName },
    ...{ deadlineMs: options.leaseDurationMs / callsPerLease, nowUnixMs: Date.now },
  });
  return (leaders) => createKubeLock({ ...options, lease, leaders });
}
