import { rm } from "node:fs/promises";
import { join } from "node:path";
import { connect, errors, type NatsConnection } from "@nats-io/transport-node";
import {
  connectNats,
  jsonCodec,
  type NatsServer,
  natsPermissions,
  openJetStreamStores,
  startNatsServer,
} from "@retake/coordinator";
import type { RetakeError } from "@retake/errors";
import { inboxPrefix } from "@retake/wire";
import { type NatsTls, nameOfRole, openTls, type Role } from "@retake/wire/tls";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { natsProgram } from "../e2e/nats-process.js";
import { createAuthority, type TestAuthority, writeTlsFolder } from "./certificate-authority.js";
import { temporaryFolder } from "./temporary-folder.js";

type Mapped = "coordinator" | "node" | "backup";
const mapped: readonly Mapped[] = ["coordinator", "node", "backup"];

const folder = await temporaryFolder();
let ours: TestAuthority;
let others: TestAuthority;
let server: NatsServer;
let plain: NatsServer;
const open: NatsConnection[] = [];

const any = jsonCodec((json) => Object(json));

/** The NATS options of who shows such a certificate. */
async function shown(
  as: Role,
  {
    by = ours,
    expiresInMs = 3_600_000,
  }: { readonly by?: TestAuthority; readonly expiresInMs?: number } = {},
): Promise<NatsTls | undefined> {
  const expiresAtMs = Date.now() + expiresInMs;
  const path = join(folder, `${as}-${open.length}-${expiresAtMs}-${by === ours}`);
  const issued = await by.issue({ names: [nameOfRole(as)], expiresAtMs });
  await writeTlsFolder(path, [ours, others], issued);
  const transport = await openTls(path, { as, nowMs: () => expiresAtMs - 2_000 });
  transport.close();
  return transport.nats;
}

/** A connection as its role has it. */
async function connected(as: Mapped, tls: NatsTls | undefined): Promise<NatsConnection> {
  const own = tls === undefined ? {} : { tls };
  const connection = await connect({
    ...{ servers: server.url, inboxPrefix: inboxPrefix(as), ...own },
  });
  open.push(connection);
  return connection;
}

/** What the server refuses on this connection, as it tells it. */
function violationsOf(connection: NatsConnection): string[] {
  const violations: string[] = [];
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type !== "error") continue;
      const { error } = status;
      if (!(error instanceof errors.PermissionViolationError)) continue;
      violations.push(`${error.operation} ${error.subject}`);
    }
  })();
  return violations;
}

beforeAll(async () => {
  ours = await createAuthority("CN=ours");
  others = await createAuthority("CN=others");
  const programPath = await natsProgram();
  const tlsFolder = await writeTlsFolder(
    join(folder, "server"),
    [ours],
    await ours.issue({ names: ["nats.retake"] }),
  );
  const probe = await shown("coordinator");
  if (probe === undefined) throw new Error("expected certificates");
  server = await startNatsServer({
    ...{ programPath, folder: join(folder, "secured"), tls: { folder: tlsFolder, probe } },
  });
  plain = await startNatsServer({ programPath, folder: join(folder, "plain") });
});
afterAll(async () => {
  for (const connection of open) await connection.close();
  await Promise.all([server, plain].map((one) => one.stop()));
  await rm(folder, { recursive: true, force: true });
});

describe("natsPermissions", () => {
  it("let a coordinator keep its state", async () => {
    const connection = await connectNats({
      ...{ servers: [server.url], tls: await shown("coordinator") },
    });
    open.push(connection);
    const violations = violationsOf(connection);
    const stores = await openJetStreamStores(connection, { record: any, commit: any });
    const { records, commits, events } = stores;
    const created = await records.create("a", { count: 1 });
    const revision = created.outcome === "written" ? created.revision : 0;
    expect((await records.update("a", { count: 2 }, { revision })).outcome).toBe("written");
    expect((await records.list()).records.length).toBe(1);
    const watching = new AbortController();
    for await (const { kind } of records.watch({ signal: watching.signal })) {
      if (kind === "current") watching.abort();
    }
    const latest = await records.get("a");
    expect(latest?.value).toEqual({ count: 2 });
    const at = { revision: latest?.revision ?? 0 };
    expect((await records.remove("a", at)).outcome).toBe("written");
    const step = { editId: "e", epoch: 1, step: 0 };
    expect((await commits.append(step, { after: 0 })).outcome).toBe("written");
    expect((await commits.fence("e", { epoch: 2 })).outcome).toBe("fenced");
    expect(await commits.read("e")).toEqual([step]);
    await commits.purge("e");
    await events.append("e", { line: "begun" });
    expect(await events.read("e")).toEqual(["begun"]);
    await events.purge("e");
    await connection.flush();
    expect(violations).toEqual([]);
  });

  it("let nodes ask each other for shards", async () => {
    const tls = await shown("node");
    const [asks, answers] = [await connected("node", tls), await connected("node", tls)];
    answers.subscribe("retake.v1.e.n1.shard", {
      callback: (_, message) => void message.respond("bytes"),
    });
    await answers.flush();
    const answer = await asks.request("retake.v1.e.n1.shard", "", { timeout: 5_000 });
    expect(answer.string()).toBe("bytes");
  });

  it("let a backup save a stream, remove it, and put it back", async () => {
    const stream = "retake-commits";
    const keeper = await connected("coordinator", await shown("coordinator"));
    const { commits } = await openJetStreamStores(keeper, { record: any, commit: any });
    const step = { editId: "kept", epoch: 1, step: 0 };
    await commits.append(step, { after: 0 });
    const connection = await connected("backup", await shown("backup"));
    const violations = violationsOf(connection);
    const ask = async (subject: string, body: unknown): Promise<Record<string, unknown>> => {
      const json = JSON.stringify(body);
      const answer = Object(JSON.parse((await connection.request(subject, json)).string()));
      expect([subject, answer.error]).toEqual([subject, undefined]);
      return answer;
    };
    expect((await ask("$JS.API.STREAM.NAMES", {}))["streams"]).toContain(stream);
    const chunks: Uint8Array[] = [];
    const inbox = `${inboxPrefix("backup")}.chunks`;
    const taken = connection.subscribe(inbox);
    const api = `$JS.API.STREAM`;
    const { config, state } = await ask(`${api}.SNAPSHOT.${stream}`, { deliver_subject: inbox });
    for await (const message of taken) {
      if (message.data.length === 0) break;
      chunks.push(message.data);
      message.respond();
    }
    await ask(`${api}.DELETE.${stream}`, {});
    const { deliver_subject: to } = await ask(`${api}.RESTORE.${stream}`, { config, state });
    for (const chunk of chunks) await connection.request(`${to}`, chunk);
    await connection.request(`${to}`);
    expect(await commits.read("kept")).toEqual([step]);
    expect(violations).toEqual([]);
  });

  it("keep every role from every subject that is not its own", async () => {
    const permissions = natsPermissions("retake");
    const concrete = (subject: string): string => subject.replaceAll("*", "x").replace(">", "x");
    const everyones = permissions.flatMap(({ publish, subscribe }) => [...publish, ...subscribe]);
    const foreign = [
      ...["retake.v1.e.n.commit", "other", "$SYS.REQ.SERVER.PING", "$JS.API.STREAM.NAMES"],
      ...["$JS.API.STREAM.DELETE.retake-commits", "$JS.API.STREAM.CREATE.mine", "_INBOX.x"],
      ...["$KV.other-edits.a", "$JS.API.STREAM.MSG.DELETE.retake-commits", "retake.commits"],
      // Of the server's own account, and of others.
      ...["$SYS.ACCOUNT.RETAKE.CONNECT", "$SYS.REQ.ACCOUNT.RETAKE.CONNZ", "$SYS.REQ.USER.INFO"],
      ...["$SYS.REQ.SERVER.x.SHUTDOWN", "$SYS.REQ.CLAIMS.UPDATE", "$JS.API.ACCOUNT.PURGE.RETAKE"],
      ...["$JS.API.STREAM.SNAPSHOT.mine", "$JS.API.STREAM.RESTORE.mine", "$G.a", "$SYS.a"],
    ];
    const counts = { refused: 0, tried: 0 };
    for (const role of mapped) {
      const own = permissions.find((one) => one.role === role);
      const notIn = (subjects: readonly string[] = []): string[] =>
        [...new Set([...everyones, ...foreign])].filter((subject) => !subjects.includes(subject));
      const publishes = notIn(own?.publish).map(concrete);
      const subscribes = [
        ...notIn(own?.subscribe),
        ">",
        "*",
        "retake.>",
        "$SYS.>",
        ...mapped.map((other) => `${inboxPrefix(other)}.>`),
      ].filter((subject) => own?.subscribe.includes(subject) !== true);
      const connection = await connected(role, await shown(role));
      const violations = violationsOf(connection);
      let heard = 0;
      for (const subject of subscribes) {
        connection.subscribe(subject, {
          callback: (error) => {
            if (error === null) heard += 1;
          },
        });
      }
      for (const subject of publishes) connection.publish(subject, "mine");
      await connection.flush();
      await connection.flush();
      const tried = [
        ...subscribes.map((subject) => `subscription ${subject}`),
        ...publishes.map((subject) => `publish ${subject}`),
      ];
      const refused = tried.filter((one) => violations.includes(one));
      console.log(`NATS, ${role}: ${refused.length} of ${tried.length} refused`);
      expect(tried.filter((one) => !violations.includes(one))).toEqual([]);
      expect(heard).toBe(0);
      counts.refused += refused.length;
      counts.tried += tried.length;
    }
    console.log(`NATS, all roles: ${counts.refused} of ${counts.tried} refused`);
  });
});

describe("connectNats", () => {
  const attempt = async (
    tls: NatsTls | undefined,
    { url }: NatsServer = server,
  ): Promise<RetakeError | undefined> => {
    try {
      open.push(await connectNats({ servers: [url], tls, connectTimeoutMs: 3_000 }));
      return undefined;
    } catch (thrown) {
      return thrown as RetakeError;
    }
  };

  it("is let in as a coordinator, and by nothing else", async () => {
    expect(await attempt(await shown("coordinator"))).toBeUndefined();
    const expired = await shown("coordinator", { expiresInMs: -3_600_000 });
    const callers: readonly (readonly [string, NatsTls | undefined, RegExp])[] = [
      ["a client's", await shown("client"), /it knows no such role/],
      ["the server's", await shown("nats"), /it knows no such role/],
      ["another CA's", await shown("coordinator", { by: others }), /it may not take tls\.crt/],
      ["an expired one", expired, /it may not take tls\.crt/],
      ["none", undefined, /it has TLS: give --tls/],
    ];
    for (const [who, tls, advice] of callers) {
      const error = await attempt(tls);
      expect([who, error?.reason]).toEqual([who, "nats-unreachable"]);
      expect(error?.message).toMatch(advice);
    }
    const error = await attempt(await shown("coordinator"), plain);
    expect(error?.reason).toBe("nats-unreachable");
    expect(error?.message).toContain("it has no TLS");
  });

  it("is let in no more when its CA was taken away, and stays where it is connected", async () => {
    const tls = await shown("coordinator");
    const before = await connectNats({ servers: [server.url], tls });
    open.push(before);
    const renewed = await others.issue({ names: ["nats.retake"] });
    await writeTlsFolder(join(folder, "server"), [others], renewed);
    server.reload();
    // The server says nothing when it has read its files again.
    await vi.waitFor(async () => expect(await attempt(tls)).toBeDefined(), { timeout: 20_000 });
    const error = await attempt(tls);
    expect([error?.reason, error?.message]).toEqual([
      "nats-unreachable",
      expect.stringContaining("it may not take tls.crt"),
    ]);
    expect(await attempt(await shown("coordinator", { by: others }))).toBeUndefined();
    await before.flush();
    expect(before.isClosed()).toBe(false);
  });
});
