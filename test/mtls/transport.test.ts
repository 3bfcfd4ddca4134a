import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { connect } from "node:tls";
import type { RetakeError } from "@retake/errors";
import { callUnary, handleUnary } from "@retake/wire";
import { MembershipServiceClient, MembershipServiceService } from "@retake/wire/membership";
import {
  createServer,
  nameOfRole,
  openTls,
  plainTransport,
  type Refusal,
  type Role,
  readTlsFolder,
  type Transport,
} from "@retake/wire/tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority, type TestAuthority, writeTlsFolder } from "./certificate-authority.js";
import { temporaryFolder } from "./temporary-folder.js";

const hourMs = 3_600_000;
const folder = await temporaryFolder();
let folders = 0;
const newFolder = (): string => {
  folders += 1;
  return join(folder, `${folders}`);
};

interface Shown {
  readonly by: TestAuthority;
  readonly trusted?: readonly TestAuthority[];
  readonly names?: readonly string[];
  readonly isExpired?: boolean;
}

/** Opens certificates as their owner would: an expired one by a clock that is late. */
async function opened(as: Role, shown: Shown): Promise<Transport> {
  const { by, trusted = [by], names = [nameOfRole(as)], isExpired = false } = shown;
  const expiresAtMs = Date.now() + (isExpired ? -hourMs : hourMs);
  const path = await writeTlsFolder(newFolder(), trusted, await by.issue({ names, expiresAtMs }));
  return openTls(path, { as, nowMs: () => expiresAtMs - 2_000 });
}

/** Those who must not be let in, or called. */
const strangers = { tried: 0, refused: 0 };

function countStranger(error: RetakeError | undefined): RetakeError | undefined {
  strangers.tried += 1;
  if (error !== undefined) strangers.refused += 1;
  return error;
}

/** Answered when a test says so. */
function held() {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { released, release: () => release() };
}

interface Served {
  readonly address: string;
  readonly refusals: Refusal[];
  readonly served: () => number;
  close(): void;
}

const services: Served[] = [];

/** A service that only nodes may call, with a handler that counts. */
async function serve(
  transport: Transport,
  { connectionAgeMaxMs, drained }: { connectionAgeMaxMs?: number; drained?: Promise<void> } = {},
): Promise<Served> {
  const refusals: Refusal[] = [];
  let count = 0;
  const callers = { "/retake.v1.MembershipService": ["node"] as const };
  const onRefused = (refusal: Refusal): void => void refusals.push(refusal);
  const server = createServer(transport, { callers, onRefused, connectionAgeMaxMs });
  server.addService(MembershipServiceService, {
    listNodes: handleUnary(
      async () => {
        count += 1;
        await turn();
        return { nodes: [] };
      },
      { subject: "listNodes" },
    ),
    drain: handleUnary(
      async () => {
        await drained;
        return {};
      },
      { subject: "drain" },
    ),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", transport.serverCredentials(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const close = (): void => server.forceShutdown();
  const served = { address: `127.0.0.1:${port}`, refusals, served: () => count, close };
  services.push(served);
  return served;
}

async function ask(transport: Transport, address: string): Promise<RetakeError | undefined> {
  const client = new MembershipServiceClient(...transport.to(address, "coordinator"));
  try {
    await callUnary(client.listNodes.bind(client), {}, { subject: `asking ${address}` });
    return undefined;
  } catch (thrown) {
    return thrown as RetakeError;
  } finally {
    client.close();
  }
}

let ours: TestAuthority;
let others: TestAuthority;
let coordinator: Transport;
let node: Transport;

beforeAll(async () => {
  ours = await createAuthority("CN=ours");
  others = await createAuthority("CN=others");
  coordinator = await opened("coordinator", { by: ours });
  node = await opened("node", { by: ours });
});
afterAll(async () => {
  const { refused, tried } = strangers;
  console.log(`mTLS, another CA, role, time or none: ${refused} of ${tried} refused`);
  for (const service of services) service.close();
  await rm(folder, { recursive: true, force: true });
});

describe("readTlsFolder", () => {
  it("says what is wrong with a folder, and what to do", async () => {
    const issued = await ours.issue({ names: ["node.retake"] });
    const other = await ours.issue({ names: ["node.retake"] });
    const { certificate, privateKey } = issued;
    const noCa = await writeTlsFolder(newFolder(), [ours], issued);
    await rm(join(noCa, "ca.crt"));
    const named = (names: readonly string[]) => ours.issue({ names });
    const cases: readonly (readonly [string, string, RegExp])[] = [
      [noCa, "file-not-found", /ca\.crt: expected a folder with ca\.crt, tls\.crt and tls\.key/],
      [await writeTlsFolder(newFolder(), [ours], { certificate }), "file-not-found", /tls\.key/],
      [await writeTlsFolder(newFolder(), [ours], { privateKey }), "file-not-found", /tls\.crt/],
      [await writeTlsFolder(newFolder(), [ours]), "file-not-found", /tls\.crt/],
      [await writeTlsFolder(newFolder(), []), "file-malformed", /a certificate in PEM/],
      [
        await writeTlsFolder(newFolder(), [ours], { certificate, privateKey: "x" }),
        "file-malformed",
        /a private key in PEM without password/,
      ],
      [
        await writeTlsFolder(newFolder(), [ours], { certificate, privateKey: other.privateKey }),
        "certificate-mismatch",
        /tls\.key: expected the key of .*tls\.crt/,
      ],
      [
        await writeTlsFolder(newFolder(), [others], issued),
        "certificate-mismatch",
        /expected to be signed by .*ca\.crt, got another issuer \(CN=ours\)/,
      ],
      [
        await writeTlsFolder(
          newFolder(),
          [ours],
          await ours.issue({ names: ["node.retake"], expiresAtMs: Date.now() - 1_000 }),
        ),
        "certificate-expired",
        /renew it/,
      ],
      ...(await Promise.all(
        [["client.retake"], ["*.retake"], ["node.retake", "client.retake"]].map(
          async (names): Promise<readonly [string, string, RegExp]> => [
            await writeTlsFolder(newFolder(), [ours], await named(names)),
            "certificate-role",
            /expected the DNS name node\.retake and no other role's, got DNS:/,
          ],
        ),
      )),
    ];
    for (const [path, reason, message] of cases) {
      const reading = readTlsFolder(path, { as: "node", nowMs: Date.now() });
      await expect(reading).rejects.toMatchObject({ reason });
      await expect(reading).rejects.toThrow(message);
    }
  });

  it("lets a client do with the CA alone", async () => {
    const path = await writeTlsFolder(newFolder(), [ours]);
    const read = await readTlsFolder(path, { as: "client", nowMs: Date.now() });
    expect(read.identity).toBeUndefined();
  });
});

describe("createServer", () => {
  it("lets the right role in, and refuses all others in words, before the handler", async () => {
    const { address, refusals, served } = await serve(coordinator);
    expect(await ask(node, address)).toBeUndefined();
    expect(served()).toBe(1);
    const both = { by: others, trusted: [ours, others] };
    const caOnly = await writeTlsFolder(newFolder(), [ours]);
    const asNode = { as: "node", nowMs: Date.now } as const;
    const twice = await writeTlsFolder(newFolder(), [ours], await ours.issue({ names: [] }));
    await expect(openTls(twice, asNode)).rejects.toMatchObject({ reason: "certificate-role" });
    const callers: readonly (readonly [string, Transport, string])[] = [
      ["a coordinator", await opened("coordinator", { by: ours }), "PERMISSION_DENIED"],
      ["a client", await opened("client", { by: ours }), "PERMISSION_DENIED"],
      ["nats", await opened("nats", { by: ours }), "PERMISSION_DENIED"],
      ["another CA's node", await opened("node", both), "UNAUTHENTICATED"],
      ["an expired node", await opened("node", { by: ours, isExpired: true }), "UNAUTHENTICATED"],
      ["the CA alone", await openTls(caOnly, { ...asNode, as: "client" }), "UNAUTHENTICATED"],
    ];
    for (const [who, transport, code] of callers) {
      const error = countStranger(await ask(transport, address));
      expect([who, error?.code, error?.reason]).toEqual([who, code, "not-allowed"]);
      expect(error?.message).toContain("expected the certificate of node.retake, got");
    }
    expect(refusals.length).toBe(callers.length);
    expect(served()).toBe(1);
    expect(refusals.map(({ caller }) => caller)).toEqual([
      ...["coordinator", "client", "nats", "none", "none", "none"],
    ]);
  });

  it("is refused by callers where it is not what they look for", async () => {
    const both = { by: others, trusted: [ours, others] };
    const servers: readonly (readonly [string, Transport, RegExp])[] = [
      ["another CA's", await opened("coordinator", both), /another CA/],
      ["expired", await opened("coordinator", { by: ours, isExpired: true }), /renew it there/],
      ["a node", await opened("node", { by: ours }), /a server of another role/],
      ["without TLS", plainTransport, /expected a server with TLS, got one without/],
    ];
    for (const [which, transport, message] of servers) {
      const { address, served } = await serve(transport);
      const error = countStranger(await ask(node, address));
      expect([which, error?.reason]).toEqual([which, "tls-failed"]);
      expect(error?.message).toMatch(message);
      expect(served()).toBe(0);
    }
  });

  it("does not talk to callers without TLS", async () => {
    const { address, served } = await serve(coordinator);
    const error = countStranger(await ask(plainTransport, address));
    expect(error?.reason).toBe("unreachable");
    expect(error?.message).toContain("if the server has TLS, give --tls");
    expect(served()).toBe(0);
  });

  it("refuses what has no rule", async () => {
    const server = createServer(coordinator, { callers: {}, onRefused: () => {} });
    server.addService(MembershipServiceService, {
      listNodes: handleUnary(async () => ({ nodes: [] }), { subject: "listNodes" }),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", coordinator.serverCredentials(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const error = await ask(node, `127.0.0.1:${port}`);
    expect(error?.message).toContain("expected the certificate of nobody");
    server.forceShutdown();
  });
});

describe("openTls", () => {
  const issue = (by: TestAuthority, as: Role) => by.issue({ names: [nameOfRole(as)] });

  it("takes up changed files, and keeps what it has where they are not right", async () => {
    const problems: string[] = [];
    let reloads = 0;
    const path = await writeTlsFolder(newFolder(), [ours], await issue(ours, "coordinator"));
    const transport = await openTls(path, {
      ...{ as: "coordinator", nowMs: Date.now, onReload: () => (reloads += 1) },
      onError: ({ reason }) => void problems.push(reason),
    });
    const { address } = await serve(transport);
    await writeFile(join(path, "tls.key"), (await issue(ours, "coordinator")).privateKey);
    await transport.reload();
    await transport.reload();
    expect([problems, reloads]).toEqual([["certificate-mismatch"], 0]);
    expect(await ask(node, address)).toBeUndefined();
    await writeTlsFolder(path, [ours], await issue(ours, "coordinator"));
    await transport.reload();
    await transport.reload();
    expect([problems.length, reloads]).toEqual([1, 1]);
    expect(await ask(node, address)).toBeUndefined();
    transport.close();
  });

  it("refuses the certificates of a CA that was taken away", async () => {
    const path = newFolder();
    await writeTlsFolder(path, [ours, others], await issue(others, "coordinator"));
    const transport = await openTls(path, { as: "coordinator", nowMs: Date.now });
    const { address, served } = await serve(transport);
    const trusted = [ours, others];
    const old = await opened("node", { by: ours, trusted });
    const renewed = await opened("node", { by: others, trusted });
    expect(await ask(old, address)).toBeUndefined();
    await writeTlsFolder(path, [others], await issue(others, "coordinator"));
    await transport.reload();
    const error = countStranger(await ask(old, address));
    expect([error?.code, error?.reason]).toEqual(["UNAUTHENTICATED", "not-allowed"]);
    expect(await ask(renewed, address)).toBeUndefined();
    expect(served()).toBe(2);
    transport.close();
  });

  it("does not let a session of before go on after a change", async () => {
    const path = await writeTlsFolder(newFolder(), [ours], await issue(ours, "coordinator"));
    const transport = await openTls(path, { as: "coordinator", nowMs: Date.now });
    const { address } = await serve(transport);
    expect(await ask(node, address)).toBeUndefined();
    const shown = await issue(ours, "node");
    const to = {
      ...{ port: Number(address.split(":")[1]), host: "127.0.0.1", ALPNProtocols: ["h2"] },
      ...{ servername: "coordinator.retake", ca: ours.certificate + others.certificate },
      ...{ cert: shown.certificate, key: shown.privateKey },
    };
    /** A handshake as gRPC never does it, but a thief might. */
    const resumed = async (session?: Buffer) => {
      const socket = connect({ ...to, ...(session && { session }) });
      // Who comes back with a ticket is given none.
      const [ticket] = await once(socket, session === undefined ? "session" : "secureConnect");
      const isReused = socket.isSessionReused();
      socket.destroy();
      return { ticket, isReused };
    };
    const { ticket } = await resumed();
    expect((await resumed(ticket)).isReused).toBe(true);
    await writeTlsFolder(path, [others], await issue(others, "coordinator"));
    await transport.reload();
    expect((await resumed(ticket)).isReused).toBe(false);
    transport.close();
  });

  it("drops no call while certificates and connections are replaced", async () => {
    const paths = { coordinator: newFolder(), node: newFolder() };
    const renew = async (by: TestAuthority, trusted: readonly TestAuthority[]): Promise<void> => {
      for (const as of ["coordinator", "node"] as const) {
        await writeTlsFolder(paths[as], trusted, await issue(by, as));
      }
    };
    await renew(ours, [ours]);
    const open = (as: "coordinator" | "node") => openTls(paths[as], { as, nowMs: Date.now });
    const [server, caller] = [await open("coordinator"), await open("node")];
    const { released: drained, release } = held();
    const { address, refusals, served } = await serve(server, { connectionAgeMaxMs: 200, drained });
    const client = new MembershipServiceClient(...caller.to(address, "coordinator"));
    let isOver = false;
    let calls = 0;
    const failures: unknown[] = [];
    const load = async (): Promise<void> => {
      while (!isOver) {
        calls += 1;
        const asked = callUnary(client.listNodes.bind(client), {}, { subject: "load" });
        await asked.catch((thrown: unknown) => failures.push(thrown));
      }
    };
    const long = callUnary(
      client.drain.bind(client),
      { nodeId: "n" },
      {
        ...{ subject: "long", timeoutMs: 300_000 },
      },
    );
    long.catch(() => undefined);
    const callers = Array.from({ length: 8 }, load);
    const freshConnections = 5;
    const steps: readonly (readonly [TestAuthority, readonly TestAuthority[]])[] = [
      ...[[ours, [ours]] as const, [ours, [ours, others]] as const],
      ...[[others, [ours, others]] as const, [others, [others]] as const],
    ];
    for (const [by, trusted] of [...steps, ...steps.toReversed()]) {
      await renew(by, trusted);
      await Promise.all([server.reload(), caller.reload()]);
      for (let fresh = 0; fresh < freshConnections; fresh += 1) {
        expect(await ask(caller, address)).toBeUndefined();
      }
    }
    isOver = true;
    await Promise.all(callers);
    release();
    // It was asked before the first of them, and is answered after the last.
    await long;
    client.close();
    expect(failures).toEqual([]);
    expect(refusals).toEqual([]);
    expect(served()).toBeGreaterThanOrEqual(calls);
    expect(calls).toBeGreaterThan(100);
    console.log(`rotation under load: ${calls} calls, ${failures.length} dropped`);
    for (const transport of [server, caller]) transport.close();
  });
});
