import { createSliceDiscovery } from "@retake/coordinator/kubernetes";
import { describe, expect, it } from "vitest";
import { createVirtualServer } from "./virtual-server.js";

const slices = "/apis/discovery.k8s.io/v1/namespaces/retake/endpointslices";
const relistEveryMs = 30_000;

interface Pod {
  readonly name: string;
  readonly address: string;
  readonly ready?: boolean;
}

const a: Pod = { name: "gpu-node-0", address: "10.0.0.10" };
const b: Pod = { name: "gpu-node-1", address: "10.0.0.11", ready: false };

function setUp() {
  const { time, state, faults, client } = createVirtualServer();
  const gone: string[] = [];
  const discovery = createSliceDiscovery({
    ...{ client, namespace: "retake", service: "gpu-node", relistEveryMs },
    onError: () => undefined,
  });
  const { signal } = new AbortController();
  /** As the controller of the cluster writes them, in so many slices. */
  const write = (name: string, ...pods: readonly Pod[]): void => {
    const endpoints = pods.map(({ address, ready, name: pod }) => ({
      ...{ addresses: [address], conditions: ready === undefined ? {} : { ready } },
      ...{ nodeName: `machine-of-${pod}`, targetRef: { kind: "Pod", name: pod } },
    }));
    const labels = { "kubernetes.io/service-name": "gpu-node" };
    state.put(`${slices}/${name}`, { metadata: { labels }, endpoints });
  };
  void discovery.follow({
    signal,
    onGone: ({ nodeId, address }) => gone.push(`${nodeId}@${address} ${time.nowMs}`),
  });
  return { time, state, faults, gone, discovery, write };
}

describe("createSliceDiscovery", () => {
  it("knows the pods of all slices of the Service, ready or not", async () => {
    const { time, state, discovery, write } = setUp();
    write("gpu-node-x", a);
    write("gpu-node-y", b);
    state.put(`${slices}/other`, { endpoints: [{ addresses: ["10.9.9.9"] }] });
    await time.advance(100);
    expect(discovery.places()).toEqual([
      { nodeId: a.name, address: a.address, machine: `machine-of-${a.name}`, isReady: true },
      { nodeId: b.name, address: b.address, machine: `machine-of-${b.name}`, isReady: false },
    ]);
  });

  it("tells at once of a pod that an event took away, when a list has confirmed it", async () => {
    const { time, state, gone, write } = setUp();
    write("gpu-node-x", a, b);
    await time.advance(1000);
    write("gpu-node-x", b);
    await time.advance(10);
    expect(gone).toEqual([`${a.name}@${a.address} 1002`]);
    const lists = state.requests.filter((request) => !request.includes("watch=true"));
    expect(lists).toHaveLength(2);
  });

  it("does not believe an event that the list does not confirm", async () => {
    const { time, gone, write, discovery } = setUp();
    write("gpu-node-x", a, b);
    await time.advance(1000);
    // Moved from one slice to another: for a moment it is in neither.
    write("gpu-node-x", b);
    write("gpu-node-y", a);
    await time.advance(2 * relistEveryMs);
    expect([gone, discovery.places().length]).toEqual([[], 2]);
  });

  it("takes two lists where the watch has stalled", async () => {
    const { time, state, gone, write } = setUp();
    write("gpu-node-x", a, b);
    await time.advance(100);
    state.stallWatches();
    write("gpu-node-x", b);
    await time.advance(relistEveryMs);
    expect(gone).toEqual([]);
    state.stallWatches();
    await time.advance(relistEveryMs);
    expect(gone).toHaveLength(1);
  });

  it("gives nobody up while the API server is away", async () => {
    const { time, state, faults, gone, write, discovery } = setUp();
    write("gpu-node-x", a, b);
    await time.advance(100);
    faults.mode = "away";
    state.endWatches();
    await time.advance(10 * relistEveryMs);
    expect([gone, discovery.places().length]).toEqual([[], 2]);
    write("gpu-node-x", a);
    faults.mode = "well";
    await time.advance(2.5 * relistEveryMs);
    expect(gone).toEqual([expect.stringContaining(`${b.name}@${b.address}`)]);
  });
});
