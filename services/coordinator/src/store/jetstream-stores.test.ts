import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openJetStreamStores, storeVersion } from "./jetstream-stores.js";
import { connectNats } from "./nats-connection.js";
import { type NatsServer, startNatsServer } from "./nats-server.js";
import { natsProgram, temporaryFolder } from "./testing/nats-program.js";
import { describeStores } from "./testing/store-contract.js";
import { commitCodec, sampleCodec } from "./testing/values.js";

const codecs = { record: sampleCodec, commit: commitCodec };
let programPath: string;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: NatsServer;
let connection: NatsConnection;

beforeAll(async () => {
  programPath = await natsProgram();
  folder = await temporaryFolder();
  server = await startNatsServer({ programPath, folder: join(folder.path, "nats") });
  connection = await connectNats({ servers: [server.url] });
});

afterAll(async () => {
  await connection?.close();
  await server?.stop();
  await folder?.remove();
});

/** Every stream reserves its room, and all tests together would want that of a large disk. */
afterEach(async () => {
  const { streams } = await jetstreamManager(connection);
  for await (const { config } of streams.list()) await streams.delete(config.name);
});

describeStores("in JetStream", () =>
  openJetStreamStores(connection, codecs, { name: `t-${randomUUID()}` }),
);

describe("openJetStreamStores", () => {
  it("finds again what another connection wrote", async () => {
    const name = `t-${randomUUID()}`;
    const first = await openJetStreamStores(connection, codecs, { name });
    await first.records.create("a", { text: "one" });
    const other = await connectNats({ servers: [server.url] });
    const second = await openJetStreamStores(other, codecs, { name });
    expect((await second.records.get("a"))?.value.text).toBe("one");
    await other.close();
  });

  it("keeps records where NATS's own KV client finds them", async () => {
    const name = `t-${randomUUID()}`;
    const stores = await openJetStreamStores(connection, codecs, { name });
    await stores.records.create("a", { text: "one" });
    const kv = await new Kvm(connection).open(`${name}-edits`);
    expect((await kv.get("a"))?.json()).toEqual({ text: "one" });
    expect((await kv.status()).streamInfo.config.allow_direct).toBe(false);
  });

  it("creates a record over the mark that a removal cut short left behind", async () => {
    const name = `t-${randomUUID()}`;
    const { records } = await openJetStreamStores(connection, codecs, { name });
    await records.create("a", { text: "one" });
    await (await new Kvm(connection).open(`${name}-edits`)).purge("a");
    expect(await records.get("a")).toBeUndefined();
    expect((await records.list()).records).toEqual([]);
    expect((await records.create("a", { text: "two" })).outcome).toBe("written");
    expect((await records.get("a"))?.value.text).toBe("two");
  });

  it("refuses a store that a newer version wrote", async () => {
    const name = `t-${randomUUID()}`;
    await openJetStreamStores(connection, codecs, { name });
    const kv = await new Kvm(connection).open(`${name}-version`);
    await kv.put("store", JSON.stringify(storeVersion + 1));
    await expect(openJetStreamStores(connection, codecs, { name })).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "store-newer",
      message: expect.stringContaining(`got ${storeVersion + 1}`),
    });
  });

  it("refuses three replicas on one server, with what to do", async () => {
    const name = `t-${randomUUID()}`;
    await expect(
      openJetStreamStores(connection, codecs, { name, replicas: 3 }),
    ).rejects.toMatchObject({
      reason: "bad-option",
      message: expect.stringContaining("ask for 1"),
    });
  });

  it("refuses a server without JetStream", async () => {
    const plain = await startNatsServer({
      programPath,
      folder: join(folder.path, "plain"),
      hasJetStream: false,
    });
    const other = await connectNats({ servers: [plain.url] });
    await expect(openJetStreamStores(other, codecs)).rejects.toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "nats-without-jetstream",
    });
    await other.close();
    await plain.stop();
  });

  it("says that a full store has no room, and takes writes again when it has", async () => {
    const name = `t-${randomUUID()}`;
    const { events, commits } = await openJetStreamStores(connection, codecs, { name });
    const jsm = await jetstreamManager(connection);
    await jsm.streams.update(`${name}-commits`, { max_bytes: 400 });
    const commit = { editId: "edit", epoch: 1, step: 0, hash: "x".repeat(400) };
    await expect(commits.append(commit, { after: 0 })).rejects.toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "disk-full",
    });
    await jsm.streams.update(`${name}-commits`, { max_bytes: 4000 });
    expect((await commits.append(commit, { after: 0 })).outcome).toBe("written");
    await events.append("edit", { line: "there is room" });
  });

  it("says that the store is unavailable when the deadline of a write is over", async () => {
    const other = await startNatsServer({ programPath, folder: join(folder.path, "gone") });
    const away = await connectNats({ servers: [other.url] });
    const { records } = await openJetStreamStores(away, codecs, {
      writeDeadlineMs: 300,
      attemptDurationMs: 100,
    });
    await other.kill();
    await expect(records.create("a", { text: "one" })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "store-unavailable",
    });
    await away.close();
  });

  it("refuses an address where nobody answers", async () => {
    const attempt = connectNats({ servers: ["127.0.0.1:1"], connectTimeoutMs: 500 });
    await expect(attempt).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "nats-unreachable",
    });
  });

  it("leaves no consumer behind when watches end", async () => {
    const name = `t-${randomUUID()}`;
    const { records } = await openJetStreamStores(connection, codecs, { name });
    for (let round = 0; round < 3; round++) {
      for await (const { kind } of records.watch({ signal: new AbortController().signal })) {
        if (kind === "current") break;
      }
    }
    const jsm = await jetstreamManager(connection);
    expect((await jsm.streams.info(`KV_${name}-edits`)).state.consumer_count).toBe(0);
  });
});
