import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Client, Metadata, type ServiceDefinition, type ServiceError } from "@grpc/grpc-js";
import { type Coordinator, createCoordinator } from "@retake/coordinator";
import type { RetakeError } from "@retake/errors";
import { createGpuNode, type GpuNode } from "@retake/gpu-node/node";
import { errorOfStatus } from "@retake/wire";
import { ArtifactServiceService } from "@retake/wire/artifact";
import { EditServiceService } from "@retake/wire/edit";
import { MembershipServiceService } from "@retake/wire/membership";
import { NodeServiceService } from "@retake/wire/node";
import { PeerServiceService } from "@retake/wire/peer";
import { nameOfRole, openTls, type Role, roles, type Transport } from "@retake/wire/tls";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyModel } from "../e2e/retake-process.js";
import { createAuthority, type TestAuthority, writeTlsFolder } from "./certificate-authority.js";
import { temporaryFolder } from "./temporary-folder.js";

const logger = pino({ level: "silent" });
const folder = await temporaryFolder();
let authority: TestAuthority;
let coordinator: Coordinator;
let node: GpuNode;

const folderOf = async (role: Role): Promise<string> =>
  writeTlsFolder(
    join(folder, role),
    [authority],
    await authority.issue({ names: [nameOfRole(role)] }),
  );

beforeAll(async () => {
  authority = await createAuthority();
  coordinator = await createCoordinator({
    ...{ logger, tlsFolder: await folderOf("coordinator"), metricsListen: "127.0.0.1:0" },
    reflects: true,
  });
  await coordinator.active;
  node = await createGpuNode({
    ...{ coordinators: [coordinator.address], nodeId: "n1", models: [tinyModel], threads: 1 },
    ...{ cacheDir: join(folder, "cache"), tlsFolder: await folderOf("node"), logger },
  });
  await node.joined;
});
afterAll(async () => {
  await node.close();
  await coordinator.close();
  await rm(folder, { recursive: true, force: true });
});

/** Calls a method of any kind with an empty message; undefined if it was answered. */
async function call(
  [transport, role]: readonly [Transport, Role],
  { path, address, token }: { path: string; address: string; token?: string | undefined },
): Promise<RetakeError | undefined> {
  const client = new Client(...transport.to(address, role));
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  const bytes = (value: Buffer): Buffer => value;
  const deadline = Date.now() + 10_000;
  const failed = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), metadata, { deadline }, resolve);
  });
  client.close();
  return failed === null ? undefined : errorOfStatus(failed, path);
}

const isRefused = (error: RetakeError | undefined): boolean =>
  error?.reason === "not-allowed" && error.message.includes("expected the certificate of");

const pathsOf = (service: ServiceDefinition): string[] =>
  Object.values(service).map(({ path }) => path);

type Who = Role | "the CA alone" | "the CA alone and a token";

/** What each may call; the documents say the same. */
const allowed: readonly (readonly [path: RegExp, who: readonly Who[]])[] = [
  [/NodeService\//, ["coordinator"]],
  [/PeerService\//, ["node"]],
  [/EditService\//, ["client", "the CA alone and a token"]],
  [/MembershipService\/(Join|Heartbeat)$/, ["node"]],
  [/MembershipService\/Drain$/, ["node", "client", "the CA alone and a token"]],
  [/MembershipService\/(ListNodes|Scale)$/, ["client", "the CA alone and a token"]],
  [/ArtifactService\/(Stat|Pull)$/, ["node"]],
  [/ArtifactService\/CollectGarbage$/, ["client", "the CA alone and a token"]],
];

describe("a coordinator and a node with certificates", () => {
  it("answer each caller what its role may ask, and refuse the rest before they look", async () => {
    const transports = new Map<Who, Transport>();
    for (const role of roles) {
      const path = join(folder, role);
      if (role !== "coordinator" && role !== "node") await folderOf(role);
      transports.set(role, await openTls(path, { as: role, nowMs: Date.now }));
    }
    const caOnly = await writeTlsFolder(join(folder, "ca"), [authority]);
    const anonymous = await openTls(caOnly, { as: "client", nowMs: Date.now });
    transports.set("the CA alone", anonymous).set("the CA alone and a token", anonymous);
    const asked = [
      ...[EditServiceService, MembershipServiceService, ArtifactServiceService].map(
        (service) => [service, coordinator.address, "coordinator"] as const,
      ),
      ...[NodeServiceService, PeerServiceService].map(
        (service) => [service, node.address, "node"] as const,
      ),
    ];
    const counts = { allowed: 0, refused: 0, byCoordinator: 0 };
    const wrong: string[] = [];
    for (const [service, address, role] of asked) {
      for (const path of pathsOf(service)) {
        const may = allowed.find(([pattern]) => pattern.test(path))?.[1] ?? [];
        for (const [who, transport] of transports) {
          const token = who === "the CA alone and a token" ? "unknown" : undefined;
          const error = await call([transport, role], { path, address, token });
          const isAllowed = may.includes(who);
          if (isRefused(error) === isAllowed) wrong.push(`${who} ${path}: ${error?.message}`);
          counts[isAllowed ? "allowed" : "refused"] += 1;
          if (!isAllowed && role === "coordinator") counts.byCoordinator += 1;
        }
      }
    }
    expect(wrong).toEqual([]);
    console.log(`roles: ${counts.refused} of ${counts.refused} refused, ${counts.allowed} let in`);
    const metrics = await (await fetch(`http://${coordinator.metricsAddress}/metrics`)).text();
    const counted = [...metrics.matchAll(/^retake_calls_refused_total\{.*\} (\d+)$/gm)];
    expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(counts.byCoordinator);
  });

  it("tells anybody whether they are well", async () => {
    const path = "/grpc.health.v1.Health/Check";
    const anonymous = await openTls(join(folder, "ca"), { as: "client", nowMs: Date.now });
    const { address } = coordinator;
    expect(await call([anonymous, "coordinator"], { path, address })).toBeUndefined();
    const atNode = { path, address: node.address };
    expect(await call([anonymous, "node"], atNode)).toBeUndefined();
  });
});
