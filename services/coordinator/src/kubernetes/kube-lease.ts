import { Code, RetakeError } from "@retake/errors";
import type { LeaderRecords } from "../store/epoch-lock.js";
import type { Leader } from "../store/lease-claim.js";
import type { Write } from "../store/record-store.js";
import type { KubeClient } from "./client.js";
import type { KubeObject } from "./objects.js";

/** A `coordination.k8s.io/v1` Lease, as far as it is read and written here. */
interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface KubeLeaseOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Of each call. */
  readonly deadlineMs: number;
  /** For people who read the Lease; nothing is judged by it. */
  readonly nowUnixMs: () => number;
}

/**
 * The lease of a lock in a Lease object: compare-and-set by its resourceVersion. The record's epoch
 * is the number of transitions, which does not grow when the same holder comes back: it fences
 * nothing.
 */
export function createKubeLeaseRecords(options: KubeLeaseOptions): LeaderRecords {
  const { client, namespace, name, deadlineMs } = options;
  const collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const path = `${collection}/${name}`;
  /** As it was read or written last, so that a write keeps what others keep in it. */
  let known: Lease | undefined;
  const remember = (lease: Lease): Lease => {
    known = lease;
    return lease;
  };
  const write = async (method: "POST" | "PUT", lease: Lease): Promise<Write> => {
    try {
      const at = method === "POST" ? collection : path;
      const call = client.call<Lease>({ method, path: at, body: lease, deadlineMs });
      return { outcome: "written", revision: revisionOf(remember(await call)) };
    } catch (thrown) {
      return conflictOrThrow(thrown);
    }
  };
  return {
    get: async (id) => {
      try {
        const call = client.call<Lease>({ method: "GET", path, deadlineMs });
        const lease = remember(await call);
        return { id, revision: revisionOf(lease), value: leaderOf(lease) };
      } catch (thrown) {
        if (thrown instanceof RetakeError && thrown.reason === "kubernetes-missing")
          return undefined;
        throw waitable(thrown);
      }
    },
    create: (_, leader) => {
      const api = { apiVersion: "coordination.k8s.io/v1", kind: "Lease" };
      return write("POST", {
        ...api,
        metadata: { name },
        spec: specOf(leader, undefined, options),
      });
    },
    update: (_, leader, { revision }) => {
      const metadata = { ...known?.metadata, name, resourceVersion: String(revision) };
      const isKnown = known?.metadata.resourceVersion === metadata.resourceVersion;
      if (!isKnown) return Promise.resolve(conflict("it was written since it was read"));
      return write("PUT", { ...known, metadata, spec: specOf(leader, known, options) });
    },
  };
}

function leaderOf({ spec }: Lease): Leader {
  const { holderIdentity = "", leaseDurationSeconds = 0, leaseTransitions = 0 } = spec ?? {};
  return {
    ...{ holder: holderIdentity, epoch: leaseTransitions, renewals: 0 },
    leaseDurationMs: leaseDurationSeconds * 1000,
  };
}

function specOf(
  { holder, leaseDurationMs }: Leader,
  known: Lease | undefined,
  { nowUnixMs }: KubeLeaseOptions,
): LeaseSpec {
  // The API asks for microseconds.
  const renewTime = new Date(nowUnixMs()).toISOString().replace("Z", "000Z");
  const { holderIdentity, acquireTime = renewTime, leaseTransitions } = known?.spec ?? {};
  const isHolders = holder === "" || holder === holderIdentity;
  const transitions = leaseTransitions === undefined ? 0 : leaseTransitions + (isHolders ? 0 : 1);
  return {
    ...{ holderIdentity: holder, renewTime, acquireTime: isHolders ? acquireTime : renewTime },
    leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
    leaseTransitions: transitions,
  };
}

function revisionOf({ metadata: { resourceVersion, name } }: Lease): number {
  const revision = Number(resourceVersion);
  if (Number.isSafeInteger(revision)) return revision;
  const got = `lease ${name}: expected a resourceVersion that is a number, got ${resourceVersion}`;
  throw new RetakeError(Code.Internal, "kubernetes-refused", got);
}

const conflict = (reason: string): Write => ({ outcome: "conflict", reason });

/** Removed, or written by another, is lost; all else may be well again. */
function conflictOrThrow(thrown: unknown): Write {
  const lost = ["kubernetes-conflict", "kubernetes-missing"];
  if (thrown instanceof RetakeError && lost.includes(thrown.reason))
    return conflict(thrown.message);
  throw waitable(thrown);
}

/** A role or a token that is not right is set right while coordinators wait. */
function waitable(thrown: unknown): unknown {
  if (!(thrown instanceof RetakeError) || thrown.reason !== "not-allowed") return thrown;
  const { reason, message } = thrown;
  return new RetakeError(Code.Unavailable, reason, message, { cause: thrown });
}
