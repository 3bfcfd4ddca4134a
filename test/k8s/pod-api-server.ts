import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ApiState } from "../kubernetes/api-state.js";
import {
  type FakeApiServer,
  startFakeApiServer,
  writeKubeconfig,
} from "../kubernetes/fake-api-server.js";
import { permitsOf } from "./access.js";
import type { Manifest } from "./manifest.js";

/** An API server that lets the coordinator do what its Roles let it do, and nothing else. */
export interface PodApiServer {
  readonly state: ApiState;
  readonly server: FakeApiServer;
  /** What KUBECONFIG names. */
  readonly kubeconfig: string;
}

export const leasePath = "/apis/coordination.k8s.io/v1/namespaces/retake/leases/coordinator";
export const podPath = "/api/v1/namespaces/retake/pods/gpu-node-0";

/** @param folder  `account` is made in it, with what KUBECONFIG names */
export async function startPodApiServer(
  objects: readonly Manifest[],
  folder: string,
): Promise<PodApiServer> {
  const state = new ApiState();
  const server = await startFakeApiServer(state);
  state.put(leasePath, { metadata: {} });
  state.put(podPath, { spec: { nodeName: "machine" } });
  state.faults.permits = permitsOf(objects, "coordinator");
  const account = join(folder, "account");
  mkdirSync(account);
  const { path: kubeconfig } = await writeKubeconfig(account, server, "of-the-account");
  return { state, server, kubeconfig };
}
