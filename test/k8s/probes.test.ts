import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NatsServer, startNatsServer } from "@retake/coordinator";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { natsProgram } from "../e2e/nats-process.js";
import { type LocalService, startService } from "./local-service.js";
import { leasePath, type PodApiServer, podPath, startPodApiServer } from "./pod-api-server.js";
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
  let leader: PodProcess;
  let standby: PodProcess;
  let node: PodProcess;
  let service: LocalService;

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
  /** Waits until one leads, whichever: without NATS for too long, a leader loses its lead. */
  const settled = async (): Promise<void> => {
    const ready = () => Promise.all([leader, standby].map((pod) => pod.probed("readinessProbe")));
    await expect.poll(async () => (await ready()).filter(Boolean).length, patience).toBe(1);
    if (await standby.probed("readinessProbe")) [leader, standby] = [standby, leader];
  };
  const coordinator = () =>
    startPod("coordinator", objects, {
      ...{ paths, variables: { NATS_URL: nats.url }, env: { KUBECONFIG: api.kubeconfig } },
    });

  beforeAll(async () => {
    const digest = createHash("sha256").update(token).digest("hex");
    writeFileSync(join(folder, "tokens"), `cluster ${digest}\n`);
    writeFileSync(join(folder, "token"), token);
    api = await startPodApiServer(objects, folder);
    const programPath = await natsProgram();
    nats = await startNatsServer({ programPath, folder: join(folder, "nats") });
    leader = await coordinator();
    await vi.waitFor(
      async () => expect(await leader.probed("readinessProbe")).toBe(true),
      patience,
    );
    standby = await coordinator();
    service = await startService(() => leader.grpcAddress);
    const variables = { COORDINATOR: service.address, POD_NAME: "gpu-node-0", THREADS: "1" };
    node = await startPod("gpu-node", objects, { paths, variables });
  });

  afterAll(async () => {
    await Promise.all([leader, standby, node].map((pod) => pod?.end()));
    await service?.close();
    await nats?.stop();
    await api?.server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("a coordinator that waits has started and is alive, but not ready", async () => {
    await expect.poll(() => stateOf(standby), patience).toEqual([true, false, true]);
  });

  it("a node has started when it has its model, and joins by what the manifest says", async () => {
    await expect.poll(() => stateOf(node), patience).toEqual([true, true, true]);
    await expect.poll(() => node.log(), patience).toContain("joined for 10000 ms");
  });

  it("all are alive while NATS is away, and the node stays ready", async () => {
    await nats.kill();
    const alive = () =>
      Promise.all([leader, standby, node].map((pod) => pod.probed("livenessProbe")));
    expect(await alive()).toEqual([true, true, true]);
    expect(await node.probed("readinessProbe")).toBe(true);
    nats = await nats.restart();
    await settled();
  });

  it("a node follows the lead to another coordinator, while the old one lives on", async () => {
    const joins = () => node.log().split("joined for").length;
    const before = joins();
    const goOn = leader.stall();
    await expect.poll(() => standby.probed("readinessProbe"), patience).toBe(true);
    [leader, standby] = [standby, leader];
    goOn();
    await expect.poll(joins, patience).toBeGreaterThan(before);
    expect(await stateOf(standby)).toEqual([true, false, true]);
  });

  it("coordinators ask the API server for what their role lets them, and say who leads", () => {
    const asked = new Set(api.state.requests.map((request) => request.replace(/\?.*/, "")));
    const slices = "/apis/discovery.k8s.io/v1/namespaces/retake/endpointslices";
    const pods = "/api/v1/namespaces/retake/pods";
    expect([...asked].sort()).toEqual(
      [
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

  it("the one that waits is ready as soon as the leader has ended", async () => {
    expect(await leader.end()).toBe(0);
    await expect.poll(() => stateOf(standby), patience).toEqual([true, true, true]);
  });
});
