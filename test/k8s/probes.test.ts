import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import { type NatsServer, startNatsServer } from "@retake/coordinator";
import { callUnary, clientOptions } from "@retake/wire";
import { EditServiceClient } from "@retake/wire/edit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { natsProgram } from "../e2e/nats-process.js";
import { type LocalService, startService } from "./local-service.js";
import {
  coordinatorPods,
  leadingPods,
  leasePath,
  type PodApiServer,
  pathOfPod,
  podPath,
  startPodApiServer,
} from "./pod-api-server.js";
import { type PodProcess, startPod } from "./pod-process.js";
import { objectsOf, readRendered, root } from "./render.js";

const probes = ["startupProbe", "readinessProbe", "livenessProbe"] as const;
const objects = objectsOf(readRendered(), "base");
const token = "of-this-test";
/** Node and coordinators share two cores with whatever else runs there. */
const patience = { timeout: 60_000, interval: 100 };

describe("the pods, run on this machine with the arguments and probes of their manifests", () => {
  const folder = mkdtempSync(join(tmpdir(), "retake-pods-"));
  let api: PodApiServer;
  let nats: NatsServer;
  const coordinators = new Map<string, PodProcess>();
  let node: PodProcess;
  let service: LocalService;
  /** Where a Service that has not heard of a change yet would send a new connection. */
  let stale: string | undefined;

  const paths = {
    ...{
      "/var/lib/retake": join(folder, "artifacts"),
      "/etc/retake/tokens": join(folder, "tokens"),
    },
    ...{ "/cache": join(folder, "cache"), "/etc/retake/token": join(folder, "token") },
    "/app/models/demo": join(root, "models/demo"),
  };
  const stateOf = async (pod: PodProcess): Promise<readonly boolean[]> =>
    Promise.all(probes.map((probe) => pod.probed(probe)));
  const isReady = (pod: PodProcess): Promise<boolean> => pod.probed("readinessProbe");
  const named = (name: string | undefined): PodProcess => {
    const pod = coordinators.get(name ?? "");
    if (pod === undefined) throw new Error(`expected a pod of the coordinator's, got ${name}`);
    return pod;
  };
  const leading = (): readonly string[] => leadingPods(api.state, objects);
  /** Waits until one leads, whichever, and the other could. Without NATS, a lead is lost. */
  const settled = async () => {
    const pods = [...coordinators.values()];
    await vi.waitFor(async () => {
      expect(await Promise.all(pods.map(isReady))).toEqual([true, true]);
      expect(leading()).toHaveLength(1);
    }, patience);
    const [leaderName = ""] = leading();
    const [standbyName = ""] = coordinatorPods.filter((name) => name !== leaderName);
    const [leader, standby] = [named(leaderName), named(standbyName)];
    return { leaderName, leader, standbyName, standby };
  };
  const start = (name: string) =>
    startPod("coordinator", objects, {
      ...{ paths, variables: { NATS_URL: nats.url, POD_NAME: name } },
      env: { KUBECONFIG: api.kubeconfig },
    });

  beforeAll(async () => {
    const digest = createHash("sha256").update(token).digest("hex");
    writeFileSync(join(folder, "tokens"), `cluster ${digest}\n`);
    writeFileSync(join(folder, "token"), token);
    api = await startPodApiServer(objects, folder);
    const programPath = await natsProgram();
    nats = await startNatsServer({ programPath, folder: join(folder, "nats") });
    for (const name of coordinatorPods) coordinators.set(name, await start(name));
    await settled();
    service = await startService(() => named(stale ?? leading()[0]).grpcAddress);
    const variables = { COORDINATOR: service.address, POD_NAME: "gpu-node-0", THREADS: "1" };
    node = await startPod("gpu-node", objects, { paths, variables });
  });

  afterAll(async () => {
    await Promise.all([...coordinators.values(), node].map((pod) => pod?.end()));
    await service?.close();
    await nats?.stop();
    await api?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("a coordinator that waits is ready as well, and the Service chooses the other", async () => {
    const { leader, leaderName, standby, standbyName } = await settled();
    expect(await stateOf(leader)).toEqual([true, true, true]);
    expect(await stateOf(standby)).toEqual([true, true, true]);
    expect(leading()).toEqual([leaderName]);
    const { holderIdentity } = Object(api.state.object(leasePath)?.spec);
    expect(holderIdentity).toMatch(new RegExp(`^${leaderName}-[0-9a-f]{8}$`));
    const to = [standby.grpcAddress, credentials.createInsecure(), clientOptions] as const;
    const client = new EditServiceClient(...to);
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    const asked = () =>
      callUnary(
        client.list.bind(client),
        { editsMax: 1, pageToken: "" },
        { subject: standbyName, metadata },
      );
    // Both began at once: who waits knows the leader's name by its next look at the lease.
    await vi.waitFor(async () => {
      await expect(asked()).rejects.toMatchObject({
        ...{ code: "UNAVAILABLE", reason: "not-active" },
        message: expect.stringContaining(`but ${holderIdentity} does; ask again`),
      });
    }, patience);
    client.close();
  });

  it("a node has started when it has its model, and joins by what the manifest says", async () => {
    await expect.poll(() => stateOf(node), patience).toEqual([true, true, true]);
    await expect.poll(() => node.log(), patience).toContain("joined for 10000 ms");
  });

  it("all are alive while NATS is away, and the node stays ready", async () => {
    await nats.kill();
    const pods = [...coordinators.values(), node];
    const alive = () => Promise.all(pods.map((pod) => pod.probed("livenessProbe")));
    expect(await alive()).toEqual([true, true, true]);
    expect(await isReady(node)).toBe(true);
    nats = await nats.restart();
    await settled();
  });

  it("a node follows the lead to another coordinator, while the old one lives on", async () => {
    const joins = () => node.log().split("joined for").length;
    const before = joins();
    const { leader, leaderName, standbyName } = await settled();
    const goOn = leader.stall();
    await expect.poll(leading, patience).toEqual([standbyName]);
    goOn();
    await expect.poll(joins, patience).toBeGreaterThan(before);
    expect(await settled()).toMatchObject({ leaderName: standbyName, standbyName: leaderName });
  });

  it("a caller that the Service sent to one that waits is told to connect anew", async () => {
    const { leader, leaderName, standbyName } = await settled();
    const refusals = () => node.log().split("expected one that leads").length;
    const joins = () => node.log().split("joined for").length;
    const [refusedBefore, joinsBefore] = [refusals(), joins()];
    stale = leaderName;
    const goOn = leader.stall();
    await expect.poll(leading, patience).toEqual([standbyName]);
    goOn();
    // It reaches the old leader first, over a connection that would stay.
    await expect.poll(refusals, patience).toBeGreaterThan(refusedBefore);
    stale = undefined;
    await expect.poll(joins, patience).toBeGreaterThan(joinsBefore);
  });

  it("coordinators ask the API server for what their role lets them, and say who leads", () => {
    const asked = new Set(api.state.requests.map((request) => request.replace(/\?.*/, "")));
    const slices = "/apis/discovery.k8s.io/v1/namespaces/retake/endpointslices";
    const pods = "/api/v1/namespaces/retake/pods";
    expect([...asked].sort()).toEqual(
      [
        ...coordinatorPods.map((name) => `PATCH ${pathOfPod(name)}/status`),
        ...[`GET ${leasePath}`, `PUT ${leasePath}`, `GET ${slices}`, `GET ${pods}`],
        ...["GET /api/v1/nodes", `GET ${podPath}`, `PATCH ${podPath}/status`],
        "POST /api/v1/namespaces/retake/events",
      ].sort(),
    );
    const [joined] = Object(api.state.object(podPath)?.status).conditions;
    expect(joined).toMatchObject({ type: "retake.dev/Joined", status: "True" });
    expect(api.state.refusedCount).toBe(0);
    expect(Object(api.state.object(leasePath)?.spec).leaseTransitions).toBeGreaterThan(0);
  });

  it("a node that is told to end hands over, and ends well", async () => {
    expect(await node.end()).toBe(0);
    expect(node.log()).toContain("draining");
  });

  it("a leader that is killed starts anew in its pod, ready, and gets no calls", async () => {
    const { leader, leaderName, standbyName } = await settled();
    await leader.kill();
    expect(leading()).toEqual([leaderName]);
    coordinators.set(leaderName, await start(leaderName));
    expect(await settled()).toMatchObject({ leaderName: standbyName, standbyName: leaderName });
  });

  it("the one that waits is chosen as soon as the leader has ended", async () => {
    const { leader, standby, standbyName } = await settled();
    expect(await leader.end()).toBe(0);
    await expect.poll(leading, patience).toEqual([standbyName]);
    expect(await stateOf(standby)).toEqual([true, true, true]);
  });
});
