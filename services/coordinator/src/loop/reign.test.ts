import { Code, RetakeError } from "@retake/errors";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { defaultOptions } from "../job/cluster-state.js";
import type { CoordinatorEvent } from "../job/events.js";
import { aRecord, aSpec } from "../job/testing/an-edit.js";
import { createMemoryStores } from "../store/memory-stores.js";
import { type Adopted, adopt, type EditStores } from "./adopt.js";
import { storeCodecs } from "./record-codec.js";
import { Reign, type TaskEffect } from "./reign.js";

const open: Reign[] = [];
afterEach(() => {
  for (const reign of open.splice(0)) reign.end("the test is over");
});

function begin(stores: EditStores, taken: readonly Adopted[] = [], epoch = 2) {
  const effects: TaskEffect[] = [];
  const runner = { run: (effect: TaskEffect) => effects.push(effect), onNodes() {}, close() {} };
  const options = {
    ...{ coordinatorId: "c", epoch, stores, decideOptions: defaultOptions },
    ...{ nowUnixMs: () => 1_000, logger: pino({ level: "silent" }) },
  };
  const reign = new Reign({ ...options, createRunner: () => runner }, taken);
  open.push(reign);
  return { reign, effects };
}

const submitted: CoordinatorEvent = {
  kind: "submitted",
  ...{ editId: "e1", tenant: "t", requestId: "r", spec: aSpec() },
};
const kinds = (effects: readonly TaskEffect[]): readonly string[] =>
  effects.map(({ kind }) => kind);

describe("Reign", () => {
  it("stores what was decided before it begins what follows", async () => {
    const stores = createMemoryStores(storeCodecs);
    const { reign, effects } = begin(stores);
    reign.tell(submitted);
    expect(effects).toEqual([]);
    expect(reign.stored("e1")).toBeUndefined();
    await reign.settled("e1");
    expect((await stores.records.get("e1"))?.value).toMatchObject({ state: "running", epoch: 2 });
    expect(reign.stored("e1")?.state).toBe("running");
    expect(kinds(effects)).toEqual(["run-here"]);
  });

  it("wakes who waits for an edit when it is stored", async () => {
    const { reign } = begin(createMemoryStores(storeCodecs));
    const signal = new AbortController().signal;
    const change = reign.changed("e1", signal);
    reign.tell(submitted);
    await change;
    await reign.settled("e1");
  });

  it("ends when another has written, and begins nothing more", async () => {
    const stores = createMemoryStores(storeCodecs);
    const { reign, effects } = begin(stores);
    reign.tell(submitted);
    await reign.settled("e1");
    const found = await stores.records.get("e1");
    await stores.records.update(
      "e1",
      { ...aRecord({}), id: "e1", epoch: 3 },
      {
        revision: found?.revision ?? 0,
      },
    );
    effects.length = 0;
    reign.tell({ kind: "cancel", editId: "e1", tenant: "t" });
    await expect(reign.settled("e1")).rejects.toMatchObject({ reason: "not-active" });
    expect(reign.signal.aborted).toBe(true);
    expect(kinds(effects)).toEqual([]);
    expect((await stores.records.get("e1"))?.value.epoch).toBe(3);
    await expect(reign.changed("e1", new AbortController().signal)).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  it("adopts an edit that an earlier coordinator accepted too late", async () => {
    const stores = createMemoryStores(storeCodecs);
    const { reign } = begin(stores);
    const change = reign.changed("late", new AbortController().signal);
    await stores.records.create("late", { ...aRecord({}), id: "late", epoch: 1 });
    await change;
    await reign.settled("late");
    expect((await stores.records.get("late"))?.value).toMatchObject({ epoch: 2 });
    expect(reign.state.edits.has("late")).toBe(true);
  });

  it("meets the record of an earlier coordinator when it creates the same edit", async () => {
    const stores = createMemoryStores(storeCodecs);
    await stores.records.create("e1", { ...aRecord({}), id: "e1", epoch: 1, reason: "before" });
    const { reign } = begin({ ...stores, records: { ...stores.records, watch: nothing } });
    reign.tell(submitted);
    await reign.settled("e1");
    expect(reign.signal.aborted).toBe(false);
    expect((await stores.records.get("e1"))?.value.epoch).toBe(2);
  });

  it("waits for a store that is full, and says so", async () => {
    const stores = createMemoryStores(storeCodecs);
    let isFull = true;
    const create: EditStores["records"]["create"] = async (id, value) => {
      if (isFull) throw full;
      return stores.records.create(id, value);
    };
    const { reign } = begin({ ...stores, records: { ...stores.records, create } });
    reign.tell(submitted);
    await until(() => reign.state.isStoreFull);
    expect(reign.stored("e1")).toBeUndefined();
    isFull = false;
    await reign.settled("e1");
    expect(reign.state.isStoreFull).toBe(false);
    expect(await stores.records.get("e1")).toBeDefined();
  });
});

describe("Reign.changed", () => {
  it("wakes who follows an edit when the store is full, and when it has room again", async () => {
    const { reign } = begin(createMemoryStores(storeCodecs));
    reign.tell(submitted);
    await reign.settled("e1");
    const signal = new AbortController().signal;
    for (const event of [{ kind: "store-full", what: "x" }, { kind: "store-has-room" }] as const) {
      const change = reign.changed("e1", signal);
      reign.tell(event);
      await change;
    }
  });
});

describe("adopt", () => {
  it("gives an open edit the epoch, and shuts the one before out of its log", async () => {
    const stores = createMemoryStores(storeCodecs);
    const commit = {
      ...{ editId: "e1", epoch: 1, step: 0, quorumId: 1, nodeIds: ["n"], numericsId: "x" },
      ...{ gradientHash: "a".repeat(64), weightsHash: "", attempts: 1, loss: 0 },
    };
    await stores.records.create("e1", { ...aRecord({}), id: "e1" });
    const append = await stores.commits.append(commit, { after: 0 });
    const adopted = await adoptE1(stores, 2);
    expect(adopted).toMatchObject({
      record: { epoch: 2, revision: 2 },
      log: { committedSteps: 1, attempts: 1, commits: [{ step: 0 }] },
    });
    const after = append.outcome === "written" ? append.revision : 0;
    const late = await stores.commits.append({ ...commit, step: 1, attempts: 2 }, { after });
    expect(late.outcome).toBe("conflict");
  });

  it("leaves what a later coordinator has", async () => {
    const stores = createMemoryStores(storeCodecs);
    await stores.records.create("e1", { ...aRecord({}), id: "e1", epoch: 9 });
    expect(await adoptE1(stores, 2)).toBeUndefined();
  });

  it("rewrites no edit that has ended, and reads no log of one that succeeded", async () => {
    const stores = createMemoryStores(storeCodecs);
    await stores.records.create("e1", { ...aRecord({}), id: "e1", state: "succeeded" });
    expect(await adoptE1(stores, 2)).toMatchObject({ record: { epoch: 1 }, log: undefined });
  });
});

async function adoptE1(stores: EditStores, epoch: number) {
  const found = await stores.records.get("e1");
  if (found === undefined) throw new Error("e1 is not there");
  return adopt(stores, found, epoch);
}

async function* nothing(): AsyncGenerator<never> {}

const full = new RetakeError(Code.ResourceExhausted, "disk-full", "the disk is full");

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
