import {
  createKubeClient,
  findKubernetes,
  type KubeObject,
  runInformer,
} from "@retake/coordinator/kubernetes";
import { vi } from "vitest";
import type { ChaosCluster, NodeControl } from "../chaos/chaos-cluster.js";
import { ApiState } from "../kubernetes/api-state.js";
import { startFakeApiServer, writeKubeconfig } from "../kubernetes/fake-api-server.js";

const sets = "/apis/apps/v1/namespaces/retake/statefulsets";
const relistEveryMs = 1_000;

interface StatefulSet extends KubeObject {
  readonly spec: { readonly replicas: number };
}

/** A pool of real processes, and who starts and ends them. */
export interface ControlledPool {
  readonly control: NodeControl;
  /** Nodes that have said that they drain, since this was last asked to forget. */
  readonly draining: Set<string>;
  /** Processes that were told to end by whoever controls them. */
  readonly terminated: string[];
  /** Begins to act on a cluster. */
  readonly follow: (cluster: ChaosCluster) => void;
  readonly close: () => Promise<void>;
}

function drainListener() {
  const draining = new Set<string>();
  const onLine: NodeControl["onLine"] = (nodeId, { msg }) => {
    if (msg === "draining") draining.add(nodeId);
  };
  return { draining, onLine };
}

/** As `retake up` does: who dies is started again, who has drained is not. */
export function fixedNodes(): ControlledPool {
  const { draining, onLine } = drainListener();
  const control: NodeControl = {
    ...{ coordinatorArgs: [], nameOf: (index) => `node-${index + 1}`, onLine },
    comesBack: (_, exitCode) => exitCode !== 0,
  };
  return { control, draining, terminated: [], follow: () => {}, close: async () => {} };
}

/**
 * An API server with a StatefulSet, and its controller: pods beyond the replicas get SIGTERM, the
 * others are started, and started again however they end, as kubelet does.
 */
export async function statefulSetNodes(folder: string): Promise<ControlledPool> {
  const state = new ApiState();
  state.put(`${sets}/gpu-node`, { spec: { replicas: 3 } });
  const server = await startFakeApiServer(state);
  const { path } = await writeKubeconfig(folder, server, "token");
  vi.stubEnv("KUBECONFIG", path);
  const client = createKubeClient({ transport: findKubernetes().transport });
  const { draining, onLine } = drainListener();
  const terminated: string[] = [];
  const ending = new AbortController();
  let replicas = 3;
  let nodes: ChaosCluster["nodes"] = [];
  const isWanted = (nodeId: string): boolean => Number(nodeId.split("-").at(-1)) < replicas;
  const reconcile = (): void => {
    for (const { process } of nodes) {
      if (isWanted(process.name)) process.start();
      else if (process.isRunning && !terminated.includes(process.name)) {
        terminated.push(process.name);
        process.signal("SIGTERM");
      }
    }
  };
  const following = runInformer<StatefulSet>({
    ...{ client, collection: sets, relistEveryMs, signal: ending.signal },
    onItems: (items) => {
      replicas = items.get("gpu-node")?.spec.replicas ?? 0;
      reconcile();
    },
  });
  const control: NodeControl = {
    coordinatorArgs: ["--pool", "statefulset/gpu-node"],
    nameOf: (index) => `gpu-node-${index}`,
    ...{ comesBack: isWanted, onLine },
  };
  const close = async (): Promise<void> => {
    ending.abort();
    await following;
    await server.close();
    vi.unstubAllEnvs();
  };
  const follow = (cluster: ChaosCluster): void => {
    nodes = cluster.nodes;
    reconcile();
  };
  return { control, draining, terminated, follow, close };
}
