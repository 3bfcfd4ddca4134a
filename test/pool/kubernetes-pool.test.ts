import { createKubeClient, findKubernetes } from "@retake/coordinator/kubernetes";
import { createKubernetesPool, type Pool, type PoolTarget } from "@retake/coordinator/pool";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiState } from "../kubernetes/api-state.js";
import {
  type FakeApiServer,
  startFakeApiServer,
  writeKubeconfig,
} from "../kubernetes/fake-api-server.js";
import { temporaryFolder } from "../mtls/temporary-folder.js";
import { ANodePool } from "./node-pool.js";
import { describePool, type PoolWorld } from "./pool-contract.js";

const folder = await temporaryFolder();
beforeAll(() => {
  vi.stubEnv("KUBECONFIG", `${folder}/kubeconfig`);
});
afterAll(() => vi.unstubAllEnvs());

const paths = {
  "stateful-set": "/apis/apps/v1/namespaces/retake/statefulsets/gpu-node",
  "leader-worker-set":
    "/apis/leaderworkerset.x-k8s.io/v1/namespaces/retake/leaderworkersets/gpu-node",
};

/** An API server with the pool's object, and a client of it. */
async function served(kind: PoolTarget["kind"]) {
  const state = new ApiState();
  state.put(paths[kind], { spec: { replicas: 3 }, status: { replicas: 3 } });
  const server = await startFakeApiServer(state);
  await writeKubeconfig(folder, server, "token");
  const client = createKubeClient({ transport: findKubernetes().transport });
  const target = { kind, namespace: "retake", name: "gpu-node" };
  return { state, server, pool: createKubernetesPool(client, target) };
}

const replicasOf = (state: ApiState, kind: PoolTarget["kind"]): number =>
  Object(state.object(paths[kind])?.spec).replicas;

/** The controller ends the processes whose number is too high. */
const world = (kind: PoolTarget["kind"]) => async (): Promise<PoolWorld> => {
  const { state, server, pool } = await served(kind);
  const nodes = new ANodePool(["gpu-node-0", "gpu-node-1", "gpu-node-2"]);
  const act = async (): Promise<void> => {
    const replicas = replicasOf(state, kind);
    nodes.endProcesses([...nodes.running].filter((name) => Number(name.slice(9)) >= replicas));
  };
  return { pool, nodes, act, grows: true, close: () => server.close() };
};

describePool("stateful-set", world("stateful-set"));
describePool("leader-worker-set", world("leader-worker-set"));

describe("createKubernetesPool", () => {
  const { signal } = new AbortController();
  let state: ApiState;
  let server: FakeApiServer;
  let pool: Pool;
  beforeEach(async () => {
    ({ state, server, pool } = await served("stateful-set"));
  });
  afterEach(() => server.close());

  it("needs no more than to get and patch the scale", async () => {
    state.faults.permits = ({ verb, group, resource, name }) =>
      ["get", "patch"].includes(verb) &&
      `${group}/${resource}/${name}` === "apps/statefulsets/scale/gpu-node";
    expect((await pool.view(new Map(), signal)).count).toBe(3);
    await pool.resize({ from: 3, to: 1 }, signal);
    expect(replicasOf(state, "stateful-set")).toBe(1);
    state.faults.permits = () => false;
    await expect(pool.view(new Map(), signal)).rejects.toMatchObject({ reason: "not-allowed" });
  });

  it("does not undo what somebody else has asked for meanwhile", async () => {
    state.put(paths["stateful-set"], { spec: { replicas: 5 } });
    await expect(pool.resize({ from: 3, to: 1 }, signal)).rejects.toMatchObject({
      ...{ reason: "pool-changed", message: expect.stringContaining("expected 3 replicas") },
    });
    expect(replicasOf(state, "stateful-set")).toBe(5);
    await pool.resize({ from: 3, to: 5 }, signal);
    expect(state.requests.filter((request) => request.startsWith("PATCH"))).toEqual([]);
  });

  it("asks again where only the status was written in between", async () => {
    let writes = 0;
    state.faults.permits = ({ verb }) => {
      if (verb === "patch" && writes < 3) {
        writes += 1;
        state.put(paths["stateful-set"], { spec: { replicas: 3 }, status: { replicas: writes } });
      }
      return true;
    };
    await pool.resize({ from: 3, to: 2 }, signal);
    expect([replicasOf(state, "stateful-set"), writes]).toEqual([2, 3]);
  });

  it("gives up where it never gets its turn, and asks nothing once it is stopped", async () => {
    state.faults.permits = ({ verb }) => {
      const status = { replicas: state.requests.length };
      if (verb === "patch") state.put(paths["stateful-set"], { spec: { replicas: 3 }, status });
      return true;
    };
    await expect(pool.resize({ from: 3, to: 2 }, signal)).rejects.toMatchObject({
      reason: "kubernetes-conflict",
    });
    const asked = state.requests.length;
    const stopped = AbortSignal.abort(new Error("stopped"));
    await expect(pool.resize({ from: 3, to: 2 }, stopped)).rejects.toThrow("stopped");
    expect(state.requests.length).toBe(asked);
  });

  it("tells that there is no such pool", async () => {
    state.remove(paths["stateful-set"]);
    await expect(pool.view(new Map(), signal)).rejects.toMatchObject({
      reason: "kubernetes-missing",
    });
  });
});
