import { join } from "node:path";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openJetStreamStores } from "./jetstream-stores.js";
import { connectNats } from "./nats-connection.js";
import { type NatsServer, startNatsCluster, startNatsServer } from "./nats-server.js";
import type { Change } from "./record-store.js";
import type { Stores } from "./stores.js";
import { natsProgram, temporaryFolder } from "./testing/nats-program.js";
import {
  commit,
  commitCodec,
  type Sample,
  type SampleCommit,
  sampleCodec,
} from "./testing/values.js";

const codecs = { record: sampleCodec, commit: commitCodec };
const attempts = { attemptDurationMs: 250 };
let programPath: string;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  programPath = await natsProgram();
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

type TestStores = Stores<Sample, SampleCommit>;

/** Adds one to a number that all writers share, until it was acknowledged. */
async function increment({ records }: TestStores, acknowledged: () => void): Promise<void> {
  for (;;) {
    const found = await records.get("count");
    if (found === undefined) throw new Error("the record is gone");
    const text = String(Number(found.value.text) + 1);
    const write = await records.update("count", { text }, { revision: found.revision });
    if (write.outcome === "written") return acknowledged();
  }
}

/** Appends steps one after another; each must be acknowledged once. */
async function commitSteps(
  { commits }: TestStores,
  { editId, steps }: { readonly editId: string; readonly steps: number },
  acknowledged: () => void,
): Promise<void> {
  for (let after = 0, step = 0; step < steps; step++) {
    const write = await commits.append(commit(step, { editId }), { after });
    if (write.outcome === "conflict") throw new Error(write.reason);
    after = write.revision;
    acknowledged();
  }
}

const writers = 4;
const incrementsEach = 30;
const steps = 40;
const edits = ["a", "b"];

/** Writes all the while, and calls `disturb` whenever so many more writes were acknowledged. */
async function writeThrough(
  stores: TestStores,
  { every, disturb }: { readonly every: number; readonly disturb: () => Promise<void> },
): Promise<void> {
  let count = 0;
  const disturbances: Promise<void>[] = [];
  const acknowledged = () => {
    if (++count % every === 0) disturbances.push(disturb());
  };
  await stores.records.create("count", { text: "0" });
  const counting = Array.from({ length: writers }, async () => {
    for (let done = 0; done < incrementsEach; done++) await increment(stores, acknowledged);
  });
  const committing = edits.map((editId) => commitSteps(stores, { editId, steps }, acknowledged));
  await Promise.all([...counting, ...committing]);
  await Promise.all(disturbances);
}

async function expectAllThere(stores: TestStores): Promise<void> {
  expect((await stores.records.get("count"))?.value.text).toBe(String(writers * incrementsEach));
  for (const editId of edits) {
    const found = (await stores.commits.read(editId)).map(({ step }) => step);
    expect(found).toEqual(Array.from({ length: steps }, (_, step) => step));
  }
}

describe("JetStream stores on a server that is killed", () => {
  it("lose nothing that was acknowledged and count nothing twice, kill after kill", async () => {
    const options = { programPath, folder: join(folder.path, "one"), syncAlways: true };
    let server: NatsServer = await startNatsServer(options);
    const { port } = server;
    const connection = await connectNats({ servers: [server.url] });
    const stores = await openJetStreamStores(connection, codecs, attempts);
    let kills = 0;
    let restarting = Promise.resolve();
    const disturb = () => {
      restarting = restarting.then(async () => {
        await server.kill();
        kills++;
        server = await startNatsServer({ ...options, port });
      });
      return restarting;
    };
    await writeThrough(stores, { every: 40, disturb });
    expect(kills).toBe((writers * incrementsEach + edits.length * steps) / 40);
    await expectAllThere(stores);
    await connection.close();
    await server.stop();
  });

  it("go on with a watch after the restart", async () => {
    const options = { programPath, folder: join(folder.path, "watched") };
    const first = await startNatsServer(options);
    const connection = await connectNats({ servers: [first.url] });
    const { records } = await openJetStreamStores(connection, codecs, attempts);
    const ending = new AbortController();
    const changes = records.watch({ signal: ending.signal })[Symbol.asyncIterator]();
    const next = async () => (await changes.next()).value as Change<Sample>;
    expect(await next()).toEqual({ kind: "current" });
    await records.create("a", { text: "before" });
    expect(await next()).toMatchObject({ value: { text: "before" } });
    await first.kill();
    const second = await startNatsServer({ ...options, port: first.port });
    await records.create("b", { text: "after" });
    expect(await next()).toMatchObject({ id: "b", value: { text: "after" } });
    ending.abort();
    await connection.close();
    await second.stop();
  });
});

describe("JetStream stores with three replicas", () => {
  it("go on when one of three servers is killed in the middle of writes", async () => {
    const servers = await startNatsCluster({
      programPath,
      folder: join(folder.path, "three"),
      serverCount: 3,
    });
    const connection: NatsConnection = await connectNats({
      servers: servers.map(({ url }) => url),
    });
    const stores = await openJetStreamStores(connection, codecs, { replicas: 3 });
    let killed: NatsServer | undefined;
    const disturb = async () => {
      if (killed !== undefined) return;
      killed = servers.find(({ port }) => connection.getServer().endsWith(`:${port}`));
      await killed?.kill();
    };
    await writeThrough(stores, { every: 50, disturb });
    expect(killed).toBeDefined();
    await expectAllThere(stores);
    await connection.close();
    await Promise.all(servers.map((server) => server.stop()));
  });
});
