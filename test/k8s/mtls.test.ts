import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  createAuthority,
  type TestAuthority,
  writeTlsFolder,
} from "../mtls/certificate-authority.js";
import { freeNatsPorts, type NatsPod, startNatsPod } from "./nats-pods.js";
import { type PodApiServer, startPodApiServer } from "./pod-api-server.js";
import { type PodProcess, startPod } from "./pod-process.js";
import { objectsOf, readRendered, root } from "./render.js";

const objects = objectsOf(readRendered(), "local+mtls");
const dataOf = (name: string): Readonly<Record<string, string>> =>
  objects.find(({ metadata }) => metadata.name.startsWith(`${name}-`))?.data ?? {};
const probes = ["startupProbe", "readinessProbe", "livenessProbe"] as const;
const token = "of-this-test";
const patience = { timeout: 60_000, interval: 100 };

describe("accounts.conf of components/mtls", () => {
  it("is what the coordinator says of its store's name", async () => {
    const main = join(root, "services/coordinator/dist/main.js");
    const args = [
      main,
      "--nats-permissions",
      "--store-name",
      `${dataOf("coordinator-settings").STORE_NAME}`,
    ];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(dataOf("nats-config")["accounts.conf"]).toBe(stdout);
  });
});

describe("the pods with certificates, run on this machine as their manifests say", () => {
  const folder = mkdtempSync(join(tmpdir(), "retake-mtls-"));
  let authority: TestAuthority;
  let api: PodApiServer;
  let nats: readonly NatsPod[] = [];
  let routePorts: readonly number[] = [];
  let startThief: () => Promise<NatsPod>;
  let coordinator: PodProcess;
  let node: PodProcess;

  /** As cert-manager would, for a Certificate; `localhost` stands for the routes' names. */
  const issue = async (name: string): Promise<string> => {
    const found = objects.find((one) => one.kind === "Certificate" && one.metadata.name === name);
    const names = (found?.spec?.dnsNames ?? []).map((dns) =>
      dns.replace(/^nats-\d\..*/, "localhost"),
    );
    const issued = await authority.issue({ names: [...new Set(names)] });
    return writeTlsFolder(join(folder, "tls", name), [authority], issued);
  };
  const stateOf = async (pod: PodProcess): Promise<readonly boolean[]> =>
    Promise.all(probes.map((probe) => pod.probed(probe)));
  const routesOf = async (pod: NatsPod): Promise<string[]> => {
    const { routes } = await pod.told("/routez");
    const names = Array.from(Object(routes ?? []), (route) => `${Object(route).remote_name}`);
    return [...new Set(names)].sort();
  };

  beforeAll(async () => {
    authority = await createAuthority();
    const digest = createHash("sha256").update(token).digest("hex");
    writeFileSync(join(folder, "tokens"), `cluster ${digest}\n`);
    writeFileSync(join(folder, "token"), token);
    const shown = await issue("nats");
    const ports = await freeNatsPorts(4);
    routePorts = ports.slice(0, 3).map(({ route }) => route);
    const start = (at: number, tlsFolder: string): Promise<NatsPod> => {
      const name = `nats-${at}`;
      const own = ports[at] ?? { client: 0, route: 0, monitor: 0 };
      const places = { name, folder: join(folder, name), tlsFolder, ports: own, routePorts };
      return startNatsPod(objects, places);
    };
    nats = await Promise.all([0, 1, 2].map((at) => start(at, shown)));
    startThief = () => start(3, join(folder, "tls/gpu-node"));
    await vi.waitFor(async () => {
      const ready = await Promise.all(nats.map((pod) => pod.isReady()));
      expect(ready).toEqual([true, true, true]);
    }, patience);
    const [first, second, third] = nats.map(({ url }) => url);
    const places = {
      "nats://nats-1.nats:4222": `${second}`,
      "nats://nats-2.nats:4222": `${third}`,
    };
    api = await startPodApiServer(objects, folder);
    coordinator = await startPod("coordinator", objects, {
      ...{ variables: { NATS_URL: `${first}` }, env: { KUBECONFIG: api.kubeconfig } },
      paths: {
        ...{ ...places, "/etc/retake-tls": await issue("coordinator") },
        "/var/lib/retake": join(folder, "artifacts"),
        "/etc/retake/tokens": join(folder, "tokens"),
      },
    });
    const isReady = () => coordinator.probed("readinessProbe");
    await vi.waitFor(async () => expect(await isReady()).toBe(true), patience);
    node = await startPod("gpu-node", objects, {
      variables: { COORDINATOR: coordinator.grpcAddress, POD_NAME: "gpu-node-0", THREADS: "1" },
      paths: {
        ...{ "/etc/retake-tls": await issue("gpu-node"), "/cache": join(folder, "cache") },
        "/etc/retake/token": join(folder, "token"),
        "/app/models/demo": join(root, "models/demo"),
      },
    });
  });

  afterAll(async () => {
    await Promise.all([node, coordinator].map((pod) => pod?.end()));
    await Promise.all(nats.map((pod) => pod.end()));
    await api?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("start, find each other, and are ready: over HTTP, as the kubelet asks", async () => {
    await expect.poll(() => node.log(), patience).toContain("joined for 10000 ms");
    expect(await Promise.all([coordinator, node].map(stateOf))).toEqual([
      [true, true, true],
      [true, true, true],
    ]);
  });

  it("are users of the cluster's account on servers whose routes are encrypted", async () => {
    const [first] = nats;
    if (first === undefined) throw new Error("expected a server");
    const connections = await Promise.all(nats.map((pod) => pod.told("/connz?auth=1")));
    const users = connections
      .flatMap(({ connections: all }) => Array.from(Object(all ?? [])))
      .map((one) => [Object(one).account, Object(one).authorized_user]);
    expect(users).toContainEqual(["RETAKE", "coordinator.retake"]);
    expect(await routesOf(first)).toEqual(["nats-1", "nats-2"]);
    expect(Object(await first.told("/varz")).cluster).toMatchObject({
      ...{ tls_required: true, tls_verify: true },
    });
  });

  it("do not let a node's certificate in as a server", async () => {
    const thief = await startThief();
    const refusals = (): string[] => {
      const lines = thief.log().split("\n");
      const closed = lines.flatMap((line) => /closed: .* Remote: (\S+)/.exec(line)?.[1] ?? []);
      return thief.log().includes("Authorization Violation") ? [...new Set(closed)].sort() : [];
    };
    await expect.poll(refusals, patience).toEqual(["nats-0", "nats-1", "nats-2"]);
    expect(await routesOf(thief)).toEqual([]);
    console.log(`a node's certificate as a server: ${refusals().length} of ${nats.length} refused`);
    await thief.end();
  });

  it("take up renewed certificates, each of them, and stay ready", async () => {
    await Promise.all(["nats", "coordinator", "gpu-node"].map(issue));
    for (const pod of [coordinator, node]) {
      await expect.poll(() => pod.log(), patience).toContain("certificates changed");
    }
    for (const pod of nats) {
      await expect.poll(() => pod.log(), patience).toContain("Reloaded server configuration");
    }
    expect(await Promise.all([coordinator, node].map(stateOf))).toEqual([
      [true, true, true],
      [true, true, true],
    ]);
  });
});
