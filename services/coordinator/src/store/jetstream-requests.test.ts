import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type JetStreamClient, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { errors, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CommitLog } from "./commit-log.js";
import { openJetStreamCommits } from "./jetstream-commits.js";
import { openJetStreamRecords } from "./jetstream-records.js";
import type { JetStreamAccess } from "./jetstream-requests.js";
import { recordHistory, smallBucketBytesMax } from "./limits.js";
import { connectNats } from "./nats-connection.js";
import { type NatsServer, startNatsServer } from "./nats-server.js";
import type { RecordStore, Write } from "./record-store.js";
import { natsProgram, temporaryFolder } from "./testing/nats-program.js";
import {
  commit,
  commitCodec,
  type Sample,
  type SampleCommit,
  sampleCodec,
} from "./testing/values.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: NatsServer;
let connection: NatsConnection;
let access: JetStreamAccess;

beforeAll(async () => {
  folder = await temporaryFolder();
  const options = { programPath: await natsProgram(), folder: join(folder.path, "nats") };
  server = await startNatsServer(options);
  connection = await connectNats({ servers: [server.url] });
  const jsm = await jetstreamManager(connection);
  access = { js: jetstream(connection), jsm, writeDeadlineMs: 400, attemptDurationMs: 200 };
});

afterAll(async () => {
  await connection?.close();
  await server?.stop();
  await folder?.remove();
});

interface Loss {
  /** Whether the try whose answer is lost reached the server. */
  readonly lands: boolean;
  /** What others do before the next try. */
  readonly meanwhile: () => Promise<unknown>;
}

/** Loses the answer of the first try; the server has forgotten its message id by the second. */
function losing({ js, ...rest }: JetStreamAccess, { lands, meanwhile }: Loss): JetStreamAccess {
  let tries = 0;
  const publish: JetStreamClient["publish"] = async (subject, bytes, options) => {
    const { msgID = "", ...unnamed } = options ?? {};
    if (++tries > 1) return js.publish(subject, bytes, unnamed);
    if (lands) await js.publish(subject, bytes, { ...unnamed, msgID });
    await meanwhile();
    throw new errors.TimeoutError();
  };
  return { ...rest, js: Object.assign(Object.create(js), { publish }) };
}

const revisionOf = (write: Write): number => (write.outcome === "written" ? write.revision : 0);

async function openRecords(loss?: { readonly bucket: string } & Loss) {
  const bucket = loss?.bucket ?? `t-${randomUUID()}`;
  const options = { bucket, replicas: 1, bytesMax: smallBucketBytesMax } as const;
  const used = loss === undefined ? access : losing(access, loss);
  return { bucket, records: await openJetStreamRecords(used, sampleCodec, options) };
}

/** Some updates, each after the one before. */
async function overwrite(records: RecordStore<Sample>, count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const found = await records.get("a");
    const value = { text: `other ${done}` };
    await records.update("a", value, { revision: found?.revision ?? 0 });
  }
}

/** Updates a record, loses the answer, and lets others write before the next try. */
async function updateWithLoss({
  lands,
  othersWrites,
}: {
  readonly lands: boolean;
  readonly othersWrites: number;
}) {
  const { bucket, records } = await openRecords();
  const revision = revisionOf(await records.create("a", { text: "first" }));
  const meanwhile = () => overwrite(records, othersWrites);
  const { records: unlucky } = await openRecords({ bucket, lands, meanwhile });
  return { revision, update: unlucky.update("a", { text: "mine" }, { revision }) };
}

describe("a write of a record whose answer was lost", () => {
  it.each([0, 1, recordHistory - 1])("is known again under %i newer ones", async (othersWrites) => {
    const { revision, update } = await updateWithLoss({ lands: true, othersWrites });
    expect(await update).toEqual({ outcome: "written", revision: revision + 1 });
  });

  it("is written by the second try if the first did not land", async () => {
    const { revision, update } = await updateWithLoss({ lands: false, othersWrites: 0 });
    expect(await update).toEqual({ outcome: "written", revision: revision + 1 });
  });

  it.each([1, recordHistory])(
    "is a conflict if it did not land and others wrote %i times",
    async (othersWrites) => {
      const { update } = await updateWithLoss({ lands: false, othersWrites });
      expect((await update).outcome).toBe("conflict");
    },
  );

  it.each([true, false])("is uncertain once too much followed; landed: %s", async (lands) => {
    const { update } = await updateWithLoss({ lands, othersWrites: recordHistory + 1 });
    await expect(update).rejects.toMatchObject({ code: "UNAVAILABLE", reason: "write-uncertain" });
  });

  it("is unavailable once the record is gone", async () => {
    const { bucket, records } = await openRecords();
    const revision = revisionOf(await records.create("a", { text: "first" }));
    const remove = async () => {
      await records.remove("a", { revision: (await records.get("a"))?.revision ?? 0 });
    };
    const loss = { bucket, lands: true, meanwhile: remove };
    const { records: unlucky } = await openRecords(loss);
    await expect(unlucky.update("a", { text: "mine" }, { revision })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      reason: "store-unavailable",
    });
  });

  it("counts as the removal that it was, and leaves what was created since", async () => {
    const { bucket, records } = await openRecords();
    const revision = revisionOf(await records.create("a", { text: "first" }));
    const meanwhile = () => records.create("a", { text: "new" });
    const { records: unlucky } = await openRecords({ bucket, lands: true, meanwhile });
    expect((await unlucky.remove("a", { revision })).outcome).toBe("written");
    expect((await records.get("a"))?.value.text).toBe("new");
  });
});

describe("a commit whose answer was lost", () => {
  async function commitWithLoss(
    lands: boolean,
    then: (log: CommitLog<SampleCommit>, after: number) => Promise<unknown>,
  ) {
    const stream = `t-${randomUUID()}`;
    const options = { stream, subjectPrefix: stream, replicas: 1 } as const;
    const log = await openJetStreamCommits(access, commitCodec, options);
    const after = revisionOf(await log.append(commit(0), { after: 0 }));
    const meanwhile = () => then(log, after + (lands ? 1 : 0));
    const unlucky = losing(access, { lands, meanwhile });
    const write = await (await openJetStreamCommits(unlucky, commitCodec, options)).append(
      commit(1),
      { after },
    );
    return { write, after, log };
  }

  it("is known again under another commit and a fence", async () => {
    const { write, after, log } = await commitWithLoss(true, async (others, last) => {
      await others.append(commit(2), { after: last });
      await others.fence("edit", { epoch: 2 });
    });
    expect(write).toEqual({ outcome: "written", revision: after + 1 });
    expect((await log.read("edit")).map(({ step }) => step)).toEqual([0, 1, 2]);
  });

  it("is a conflict if a fence came before it", async () => {
    const { write, log } = await commitWithLoss(false, (others) =>
      others.fence("edit", { epoch: 2 }),
    );
    expect(write).toMatchObject({
      outcome: "conflict",
      reason: expect.stringContaining("taken over by epoch 2"),
    });
    expect(await log.read("edit")).toEqual([commit(0)]);
  });
});
