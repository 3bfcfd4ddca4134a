import { Code, RetakeError } from "@retake/errors";
import type { HandlerOptions } from "@retake/wire";
import { errorOfFailure } from "@retake/wire";
import type { NodeInfo } from "@retake/wire/membership";
import { unknownEdit } from "../job/admission.js";
import type { EditRecord } from "../job/edit-record.js";
import type { EditStores } from "../loop/adopt.js";
import type { Reign } from "../loop/reign.js";
import type { PoolScaler } from "../pool/pool-scaler.js";
import type { ArtifactStore } from "../store/artifact-store.js";
import type { ModelCatalog } from "./model-catalog.js";
import type { OperatorCheck, TenantOf } from "./tokens.js";
import type { VideoProbes } from "./video-probes.js";

/** What the services work with. */
export interface Cluster {
  /** @throws RetakeError  `not-active` while another coordinator leads, or none */
  readonly reign: () => Reign;
  readonly tenantOf: TenantOf;
  /** @throws RetakeError  `not-allowed` unless it is a node, or who runs the cluster */
  readonly assertOperator: OperatorCheck;
  readonly stores: EditStores;
  readonly artifacts: ArtifactStore;
  readonly models: ModelCatalog;
  readonly videos: VideoProbes;
  readonly scaler: PoolScaler;
  /** What nodes said of themselves when they joined, by node id. */
  readonly nodeInfos: Map<string, NodeInfo>;
  /** What nodes showed when they joined, by address: their coordinator shows it to them. */
  readonly nodeTokens: Map<string, string>;
  readonly coordinatorId: string;
  readonly natsServers: readonly string[];
  readonly leaseDurationMs: number;
  readonly workFolder: string;
  readonly nowUnixMs: () => number;
  readonly called: (subject: string) => HandlerOptions;
}

/** @param about  who refuses; who leads, as last seen, or "" for nobody */
export function notActive(about: { readonly id: string; readonly leader: string }): RetakeError {
  const { id, leader } = about;
  const found = leader === "" || leader === id ? "nobody does yet" : `${leader} does`;
  const message = `coordinator: expected one that leads, but ${found}; ask again in a moment`;
  return new RetakeError(Code.Unavailable, "not-active", message);
}

/**
 * An edit of a tenant, as it is stored.
 *
 * @throws RetakeError  `edit-unknown`, also for another tenant's
 */
export function editOf(
  reign: Reign,
  id: string,
  { tenant }: { readonly tenant: string },
): EditRecord {
  const record = reign.stored(id);
  if (record !== undefined && record.tenant === tenant) return record;
  throw errorOfFailure(unknownEdit(id));
}
