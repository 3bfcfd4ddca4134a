import { writeFile } from "node:fs/promises";
import { createKubeClient, findKubernetes, type KubeClient } from "@retake/coordinator/kubernetes";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { temporaryFolder } from "../mtls/temporary-folder.js";
import { type ApiFaults, ApiState } from "./api-state.js";
import { type FakeApiServer, startFakeApiServer, writeKubeconfig } from "./fake-api-server.js";
import { createLocalTransport } from "./local-transport.js";
import { Machine, VirtualTime } from "./virtual-time.js";

const pods = "/api/v1/namespaces/retake/pods";
const sets = "/apis/apps/v1/namespaces/retake/statefulsets";
const podZero = `${pods}/gpu-node-0`;

let state: ApiState;
let server: FakeApiServer;
let client: KubeClient;
let tokenPath: string;
const folder = await temporaryFolder();
const time = new VirtualTime();
const { clock } = new Machine(time);

beforeAll(() => {
  vi.stubEnv("KUBECONFIG", `${folder}/kubeconfig`);
});

beforeEach(async () => {
  state = new ApiState();
  server = await startFakeApiServer(state);
  ({ tokenPath } = await writeKubeconfig(folder, server, "first"));
  client = createKubeClient({ transport: findKubernetes().transport, clock });
});

afterEach(() => server.close());
afterAll(() => vi.unstubAllEnvs());

const reasonOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "done",
    (thrown: { readonly reason?: string }) => thrown.reason,
  );

/** A call on virtual time, to a server that is busy at first. */
function callBusy(faults: Partial<ApiFaults>) {
  Object.assign(state.faults, faults);
  const machine = new VirtualTime();
  const { clock: virtual } = new Machine(machine);
  const transport = createLocalTransport({ state, time: machine, machine: new Machine(machine) });
  const call = reasonOf(
    createKubeClient({ transport, clock: virtual }).call({ method: "GET", path: pods }),
  );
  return {
    machine,
    done: () => Promise.race([call, Promise.resolve("waits")]),
  };
}

describe("findKubernetes", () => {
  it("takes server, CA, token and namespace from KUBECONFIG", async () => {
    state.faults.tokens = new Set(["first"]);
    state.put(podZero, { spec: { nodeName: "a" } });
    expect(findKubernetes().namespace).toBe("retake");
    expect(await client.call({ method: "GET", path: podZero })).toMatchObject({
      kind: "Pod",
      spec: { nodeName: "a" },
    });
  });

  it("refuses a server of another CA", async () => {
    const other = await startFakeApiServer(state);
    await writeKubeconfig(folder, { url: other.url, authority: server.authority }, "first");
    const strange = createKubeClient({ transport: findKubernetes().transport, clock });
    expect(await reasonOf(strange.call({ method: "GET", path: pods }))).toBe(
      "kubernetes-unavailable",
    );
    expect(state.requests).toEqual([]);
    await other.close();
  });

  it("refuses to speak without encryption", async () => {
    const { authority } = server;
    await writeKubeconfig(folder, { url: "http://127.0.0.1:1", authority }, "first");
    expect(() => findKubernetes()).toThrow(/expected an API server at https/);
  });
});

describe("createKubeClient", () => {
  it("reads the token file again when the token was refused, and tells if it is, too", async () => {
    state.faults.tokens = new Set(["second"]);
    expect(await reasonOf(client.call({ method: "GET", path: pods }))).toBe("not-allowed");
    await writeFile(tokenPath, "second");
    await client.call({ method: "GET", path: pods });
    expect(state.requests).toHaveLength(4);
  });

  it("comes back after as long as a busy server says", async () => {
    const { machine, done } = callBusy({ throttledRequests: 2, retryAfterS: 3 });
    await machine.advance(5999);
    expect([await done(), state.requests.length]).toEqual(["waits", 2]);
    await machine.advance(1);
    expect([await done(), state.requests.length]).toEqual(["done", 3]);
  });

  it("does not wait for a busy server beyond its deadline", async () => {
    const { machine, done } = callBusy({ throttledRequests: 1, retryAfterS: 10 });
    await machine.advance(1);
    expect([await done(), state.requests.length]).toEqual(["kubernetes-unavailable", 1]);
  });

  it("understands when the server says so over HTTPS", async () => {
    Object.assign(state.faults, { throttledRequests: 1, retryAfterS: 0 });
    const real = createKubeClient({ transport: findKubernetes().transport });
    expect(await reasonOf(real.call({ method: "GET", path: pods }))).toBe("done");
    expect(state.requests).toHaveLength(2);
  });

  it("gives up at its deadline when no answer comes", async () => {
    server.faults.mode = "silent";
    const call = reasonOf(client.call({ method: "GET", path: pods, deadlineMs: 50 }));
    await time.advance(49);
    const first = await Promise.race([call, Promise.resolve("waits")]);
    await time.advance(1);
    expect([first, await call]).toEqual(["waits", "kubernetes-unavailable"]);
  });

  it("says that the server is away, and goes on when it is back", async () => {
    server.faults.mode = "away";
    expect(await reasonOf(client.call({ method: "GET", path: pods }))).toBe(
      "kubernetes-unavailable",
    );
    server.faults.mode = "well";
    expect(await reasonOf(client.call({ method: "GET", path: pods }))).toBe("done");
  });

  it.each([
    ["GET", podZero, undefined, "kubernetes-missing"],
    ["POST", pods, { metadata: { name: "there" } }, "kubernetes-conflict"],
    ["PUT", `${pods}/there`, { metadata: { resourceVersion: "1" } }, "kubernetes-conflict"],
    ["PUT", `${pods}/there`, {}, "kubernetes-refused"],
  ] as const)("maps a refusal of %s %s to a reason", async (method, path, body, reason) => {
    state.put(`${pods}/there`, {});
    expect(await reasonOf(client.call({ method, path, body }))).toBe(reason);
  });

  it("changes parts of objects: status by merge, scale by JSON patch", async () => {
    state.put(podZero, { spec: { nodeName: "a" }, status: { phase: "Running" } });
    state.put(`${sets}/gpu-node`, { spec: { replicas: 3 }, status: { replicas: 3 } });
    const status = { conditions: [{ type: "retake/joined", status: "True" }] };
    await client.call({ method: "PATCH", path: `${podZero}/status`, body: { status, spec: null } });
    const body = [
      { op: "test", path: "/spec/replicas", value: 3 },
      { op: "replace", path: "/spec/replicas", value: 2 },
    ];
    const path = `${sets}/gpu-node/scale`;
    await client.call({ method: "PATCH", path, body, patch: "json" });
    expect(state.object(podZero)).toMatchObject({
      spec: { nodeName: "a" },
      status: { phase: "Running", ...status },
    });
    expect(state.object(`${sets}/gpu-node`)).toMatchObject({ spec: { replicas: 2 } });
    expect(await reasonOf(client.call({ method: "PATCH", path, body, patch: "json" }))).toBe(
      "kubernetes-refused",
    );
  });
});

describe("KubeClient.watch", () => {
  const watch = async (from: string, signal: AbortSignal, seen: string[]): Promise<unknown> => {
    const path = `${pods}?watch=true&allowWatchBookmarks=true&resourceVersion=${from}`;
    try {
      for await (const { type, object } of client.watch<{ metadata: { name?: string } }>(
        path,
        signal,
      )) {
        seen.push(`${type} ${object.metadata.name ?? ""}`);
      }
      return "ended";
    } catch (thrown) {
      return (thrown as { readonly reason?: string }).reason;
    }
  };

  it("tells what happened since a version, and what happens, until its signal aborts", async () => {
    const { metadata } = state.put(podZero, {});
    state.put(`${pods}/gpu-node-1`, {});
    const ending = new AbortController();
    const seen: string[] = [];
    const ended = watch(metadata.resourceVersion, ending.signal, seen);
    await vi.waitFor(() => expect(seen).toEqual(["ADDED gpu-node-1"]));
    state.put(podZero, { status: { phase: "Running" } });
    state.remove(podZero);
    state.sendBookmarks();
    await vi.waitFor(() => expect(seen).toHaveLength(4));
    expect(seen.slice(1)).toEqual(["MODIFIED gpu-node-0", "DELETED gpu-node-0", "BOOKMARK "]);
    ending.abort();
    await ended;
    await vi.waitFor(() => expect(state.openWatches).toBe(0));
  });

  it("says that the history is gone, and that the connection is", async () => {
    const { metadata } = state.put(podZero, {});
    state.put(`${pods}/gpu-node-1`, {});
    state.compact();
    const { signal } = new AbortController();
    expect(await watch(metadata.resourceVersion, signal, [])).toBe("kubernetes-expired");
    const seen: string[] = [];
    const cut = watch("1002", signal, seen);
    await vi.waitFor(() => expect(state.openWatches).toBe(1));
    server.cutConnections();
    expect(await cut).toBe("kubernetes-unavailable");
  });
});
