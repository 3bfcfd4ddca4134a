import { Code, RetakeError } from "@retake/errors";
import type { Logger } from "pino";
import type { KubeNamespace } from "./kubernetes/open-namespace.js";
import { joinedNodesOnly, type NodeDiscovery } from "./loop/node-discovery.js";
import type { Pool } from "./pool/pool.js";
import type { PoolName } from "./pool/pool-name.js";
import { createStaticPool } from "./pool/static-pool.js";
import {
  createEpochLock,
  type EpochLock,
  type LeaderRecords,
  systemClock,
} from "./store/epoch-lock.js";
import { LeaderSight } from "./store/leader-sight.js";

/** What is asked of an API server of Kubernetes. */
export interface KubernetesSetting {
  /** Default: that of the service account, or of the kubeconfig's context. */
  readonly namespace?: string | undefined;
  /** By its Lease; else by a lease in the store. */
  readonly leads: boolean;
  /** What starts and ends the nodes; without one, nobody does, and the pool can only shrink. */
  readonly pool?: PoolName | undefined;
  /** The one that it runs in: it is labelled while it leads, so that a Service can choose by it. */
  readonly pod?: string | undefined;
}

/** Tells those outside whether this coordinator leads. */
export interface LeadSign {
  setLeads(leads: boolean): void;
  /** What it says is so. */
  readonly isTrue: boolean;
  /** Keeps it so until the signal aborts; tells of what failed, and is tried again. */
  follow(options: {
    readonly signal: AbortSignal;
    readonly onFailed: (error: RetakeError) => void;
  }): Promise<void>;
}

/** Nobody outside can tell who leads, but by being refused. */
const noSign: LeadSign = { setLeads: () => {}, isTrue: false, follow: async () => {} };

export interface SurroundingsOptions {
  readonly kubernetes?: KubernetesSetting | undefined;
  readonly natsServers?: readonly string[] | undefined;
  /** How long a coordinator that is gone keeps the next out. Default 5 s; on Kubernetes 15 s. */
  readonly leaderLeaseMs?: number | undefined;
  readonly logger: Logger;
}

/** What a coordinator has around it: the store alone, or Kubernetes. */
export interface Surroundings {
  /** How to lead. */
  readonly createLock: (leaders: LeaderRecords) => EpochLock;
  readonly sign: LeadSign;
  /** Of whoever does not lead: it would, if the leader were gone, and callers find the leader. */
  readonly standsBy: () => boolean;
  /** Who leads, as last seen; "" for nobody. */
  readonly leader: () => string;
  /** Who knows which nodes there are. */
  readonly discovery: NodeDiscovery;
  /** Who can be asked for nodes. */
  readonly pool: Pool;
  /** Where the nodes' pods are; undefined for nodes that are no pods. */
  readonly pods: KubeNamespace | undefined;
}

const leaderLeaseMsDefault = 5_000;
/** API servers are away for longer than NATS, when they are upgraded. */
const kubeLeaseMsDefault = 15_000;

/**
 * Finds what is around. The client of Kubernetes is large, and loaded only where it is asked for.
 *
 * @throws RetakeError  `bad-option` where there is no API server, no namespace, or no NATS to fence
 */
export async function openSurroundings(options: SurroundingsOptions): Promise<Surroundings> {
  const { kubernetes: setting, natsServers = [], logger } = options;
  const onUnavailable = ({ reason, message }: RetakeError): void =>
    logger.warn({ reason }, message);
  const leads = setting?.leads ?? false;
  const leaseMsDefault = leads ? kubeLeaseMsDefault : leaderLeaseMsDefault;
  const { leaderLeaseMs: leaseDurationMs = leaseMsDefault } = options;
  const lock = { leaseDurationMs, onUnavailable };
  const sight = new LeaderSight(systemClock);
  const byStore: Surroundings = {
    createLock: (leaders) => createEpochLock(sight.through(leaders), lock),
    ...{ sign: noSign, standsBy: () => false, leader: () => sight.holder },
    ...{ discovery: joinedNodesOnly, pool: createStaticPool(), pods: undefined },
  };
  if (setting === undefined) return byStore;
  assertFits(setting, natsServers);
  const { openKubernetes, openNamespace } = await import("./kubernetes/index.js");
  const place = openNamespace(setting.namespace);
  let around = byStore;
  if (leads) {
    const { pod } = setting;
    const opened = openKubernetes({ ...place, ...lock, sight, pod });
    const { createLock, discovery, label: sign = noSign } = opened;
    const standsBy = (): boolean => sign.isTrue && sight.isYoungerThan(leaseDurationMs);
    around = { ...byStore, createLock, discovery, sign, standsBy };
  }
  if (setting.pool === undefined) return around;
  const { createKubernetesPool } = await import("./pool/kubernetes-pool.js");
  const { client, namespace } = place;
  const pool = createKubernetesPool(client, { ...setting.pool, namespace });
  return { ...around, pool, pods: place };
}

function assertFits({ leads, pod }: KubernetesSetting, natsServers: readonly string[]): void {
  const expected =
    leads && natsServers.length === 0
      ? "--kubernetes: expected --nats, whose epochs keep an old leader out"
      : "--kubernetes-pod: expected --kubernetes, by whose Lease its pod's process leads";
  const isMissing = leads ? natsServers.length === 0 : pod !== undefined;
  if (isMissing) throw new RetakeError(Code.InvalidArgument, "bad-option", `${expected}, got none`);
}
