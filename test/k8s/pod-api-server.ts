import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ApiState } from "../kubernetes/api-state.js";
import {
  type FakeApiServer,
  startFakeApiServer,
  writeKubeconfig,
} from "../kubernetes/fake-api-server.js";
import { permitsOf } from "./access.js";
import { isSelected, type Manifest, nameOf, workloadsOf } from "./manifest.js";

/** An API server that lets the coordinator do what its Roles let it do, and nothing else. */
export interface PodApiServer {
  readonly state: ApiState;
  readonly server: FakeApiServer;
  /** What KUBECONFIG names. */
  readonly kubeconfig: string;
}

export const leasePath = "/apis/coordination.k8s.io/v1/namespaces/retake/leases/coordinator";
const pods = "/api/v1/namespaces/retake/pods";
export const podPath = `${pods}/gpu-node-0`;
export const coordinatorPods = ["coordinator-a", "coordinator-b"] as const;
export const pathOfPod = (name: string): string => `${pods}/${name}`;

/** The pods that the Service `coordinator` chooses, by what its manifest selects. */
export function leadingPods(state: ApiState, objects: readonly Manifest[]): readonly string[] {
  const service = objects.find((object) => nameOf(object) === "Service/coordinator");
  const matchLabels = { ...Object(service?.spec?.selector) };
  return coordinatorPods.filter((name) =>
    isSelected({ matchLabels }, Object(state.object(pathOfPod(name))?.metadata.labels)),
  );
}

/** @param folder  `account` is made in it, with what KUBECONFIG names */
export async function startPodApiServer(
  objects: readonly Manifest[],
  folder: string,
): Promise<PodApiServer> {
  const state = new ApiState();
  const server = await startFakeApiServer(state);
  state.put(leasePath, { metadata: {} });
  state.put(podPath, { spec: { nodeName: "machine" } });
  const [deployment] = workloadsOf(objects).filter(({ object }) => object.kind === "Deployment");
  const labels = { ...deployment?.labels };
  for (const name of coordinatorPods) state.put(pathOfPod(name), { metadata: { labels } });
  state.faults.permits = permitsOf(objects, "coordinator");
  const account = join(folder, "account");
  mkdirSync(account);
  const { path: kubeconfig } = await writeKubeconfig(account, server, "of-the-account");
  return { state, server, kubeconfig };
}
