import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  connectNats,
  jsonCodec,
  type NatsServer,
  openJetStreamStores,
  startNatsCluster,
  startNatsServer,
} from "@retake/coordinator";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { natsProgram } from "./nats-process.js";

interface Counted {
  readonly count: number;
}

interface Step {
  readonly editId: string;
  readonly epoch: number;
  readonly step: number;
}

const codecs = {
  record: jsonCodec((json): Counted => ({ count: Object(json).count })),
  commit: jsonCodec((json): Step => {
    const { editId, epoch, step } = Object(json);
    return { editId, epoch, step };
  }),
};
const openStores = (
  connection: Awaited<ReturnType<typeof connectNats>>,
  options: Parameters<typeof openJetStreamStores>[2] = {},
) => openJetStreamStores(connection, codecs, options);
type Stores = Awaited<ReturnType<typeof openStores>>;

const attempts = { attemptDurationMs: 250 };
let programPath: string;
let folder: string;

beforeAll(async () => {
  programPath = await natsProgram();
  folder = await mkdtemp(join(tmpdir(), "retake-store-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Adds one to a number that all writers share, until it was acknowledged. */
async function increment({ records }: Stores, acknowledged: () => void): Promise<void> {
  for (;;) {
    const found = await records.get("count");
    if (found === undefined) throw new Error("the record is gone");
    const value = { count: found.value.count + 1 };
    const write = await records.update("count", value, { revision: found.revision });
    if (write.outcome === "written") return acknowledged();
  }
}

/** Appends steps one after another; each must be acknowledged once. */
async function commitSteps(
  { commits }: Stores,
  editId: string,
  acknowledged: () => void,
): Promise<void> {
  for (let after = 0, step = 0; step < steps; step++) {
    const write = await commits.append({ editId, epoch: 1, step }, { after });
    if (write.outcome === "conflict") throw new Error(write.reason);
    after = write.revision;
    acknowledged();
  }
}

const writers = 4;
const incrementsEach = 30;
const steps = 40;
const edits = ["a", "b"];
const writes = writers * incrementsEach + edits.length * steps;

/** Writes all the while, and calls `disturb` whenever so many more writes were acknowledged. */
async function writeThrough(
  stores: Stores,
  { every, disturb }: { readonly every: number; readonly disturb: () => Promise<void> },
): Promise<void> {
  let count = 0;
  const disturbances: Promise<void>[] = [];
  const acknowledged = () => {
    if (++count % every === 0) disturbances.push(disturb());
  };
  await stores.records.create("count", { count: 0 });
  const counting = Array.from({ length: writers }, async () => {
    for (let done = 0; done < incrementsEach; done++) await increment(stores, acknowledged);
  });
  const committing = edits.map((editId) => commitSteps(stores, editId, acknowledged));
  await Promise.all([...counting, ...committing]);
  await Promise.all(disturbances);
}

async function expectAllThere(stores: Stores): Promise<void> {
  expect((await stores.records.get("count"))?.value.count).toBe(writers * incrementsEach);
  for (const editId of edits) {
    const found = (await stores.commits.read(editId)).map(({ step }) => step);
    expect(found).toEqual(Array.from({ length: steps }, (_, step) => step));
  }
}

describe("JetStream stores on a server that is killed", () => {
  it("lose nothing that was acknowledged and count nothing twice, kill after kill", async () => {
    const options = { programPath, folder: join(folder, "one"), syncAlways: true };
    let server: NatsServer = await startNatsServer(options);
    const { port } = server;
    const connection = await connectNats({ servers: [server.url] });
    const stores = await openStores(connection, attempts);
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
    expect(kills).toBe(writes / 40);
    await expectAllThere(stores);
    await connection.close();
    await server.stop();
  });

  it("go on with a watch after the restart", async () => {
    const options = { programPath, folder: join(folder, "watched") };
    const first = await startNatsServer(options);
    const connection = await connectNats({ servers: [first.url] });
    const { records } = await openStores(connection, attempts);
    const ending = new AbortController();
    const changes = records.watch({ signal: ending.signal })[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => (await changes.next()).value;
    expect(await next()).toEqual({ kind: "current" });
    await records.create("a", { count: 1 });
    expect(await next()).toMatchObject({ value: { count: 1 } });
    await first.kill();
    const second = await startNatsServer({ ...options, port: first.port });
    await records.create("b", { count: 2 });
    expect(await next()).toMatchObject({ id: "b", value: { count: 2 } });
    ending.abort();
    await connection.close();
    await second.stop();
  });
});

describe("JetStream stores with three replicas", () => {
  it("go on when one of three servers is killed in the middle of writes", async () => {
    const options = { programPath, folder: join(folder, "three"), serverCount: 3 };
    const servers = await startNatsCluster(options);
    const connection = await connectNats({ servers: servers.map(({ url }) => url) });
    const stores = await openStores(connection, { replicas: 3 });
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
