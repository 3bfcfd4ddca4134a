import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { eventLineBytesMax, eventsPerEditMax, valueBytesMax } from "../limits.js";
import type { Change, RecordStore, Write } from "../record-store.js";
import type { Stores } from "../stores.js";
import { commit, type Sample, type SampleCommit } from "./values.js";

/** What every kind of store must do, whatever it keeps its state in. */
export function describeStores(
  name: string,
  create: () => Promise<Stores<Sample, SampleCommit>>,
): void {
  describe(`records: ${name}`, () => describeRecords(async () => (await create()).records));
  describe(`lists of records: ${name}`, () => describeLists(async () => (await create()).records));
  describe(`bounds of records: ${name}`, () =>
    describeBounds(async () => (await create()).records));
  describe(`watch of records: ${name}`, () => describeWatch(async () => (await create()).records));
  describe(`commits: ${name}`, () => describeCommits(create));
  describe(`fences: ${name}`, () => describeFences(create));
  describe(`events: ${name}`, () => describeEvents(create));
}

const revisionOf = (write: Write): number => {
  expect(write.outcome).toBe("written");
  return write.outcome === "written" ? write.revision : 0;
};

function describeRecords(create: () => Promise<RecordStore<Sample>>): void {
  it("gives back what was created, with its revision", async () => {
    const records = await create();
    const revision = revisionOf(await records.create("a", { text: "one" }));
    expect(await records.get("a")).toEqual({ id: "a", revision, value: { text: "one" } });
    expect(await records.get("b")).toBeUndefined();
  });

  it("creates an id once", async () => {
    const records = await create();
    await records.create("a", { text: "one" });
    const again = await records.create("a", { text: "two" });
    expect(again).toMatchObject({
      outcome: "conflict",
      reason: expect.stringContaining("record a"),
    });
    expect((await records.get("a"))?.value.text).toBe("one");
  });

  it("updates only what is at the revision that the writer saw", async () => {
    const records = await create();
    const first = revisionOf(await records.create("a", { text: "one" }));
    const second = revisionOf(await records.update("a", { text: "two" }, { revision: first }));
    expect(second).toBeGreaterThan(first);
    const late = await records.update("a", { text: "late" }, { revision: first });
    expect(late.outcome).toBe("conflict");
    const missing = await records.update("b", { text: "late" }, { revision: first });
    expect(missing.outcome).toBe("conflict");
    expect(await records.get("a")).toEqual({ id: "a", revision: second, value: { text: "two" } });
  });

  it("lets one of many writers at the same revision through", async () => {
    const records = await create();
    let revision = revisionOf(await records.create("a", { text: "0" }));
    for (let round = 0; round < 10; round++) {
      const writes = await Promise.all(
        Array.from({ length: 8 }, (_, writer) =>
          records.update("a", { text: `${round} ${writer}` }, { revision }),
        ),
      );
      const winners = writes.flatMap((write) => (write.outcome === "written" ? [write] : []));
      expect(winners.length).toBe(1);
      revision = winners[0]?.revision ?? 0;
    }
    expect((await records.get("a"))?.revision).toBe(revision);
  });

  it("removes by compare-and-set; the id is free again, the old revision is not", async () => {
    const records = await create();
    const first = revisionOf(await records.create("a", { text: "one" }));
    const second = revisionOf(await records.update("a", { text: "two" }, { revision: first }));
    expect((await records.remove("a", { revision: first })).outcome).toBe("conflict");
    expect((await records.remove("a", { revision: second })).outcome).toBe("written");
    expect((await records.remove("a", { revision: second })).outcome).toBe("conflict");
    expect(await records.get("a")).toBeUndefined();
    expect((await records.list()).records).toEqual([]);
    expect((await records.update("a", { text: "x" }, { revision: second })).outcome).toBe(
      "conflict",
    );
    expect(revisionOf(await records.create("a", { text: "new" }))).toBeGreaterThan(second);
  });
}

function describeLists(create: () => Promise<RecordStore<Sample>>): void {
  it("lists in pages by id, each record once", async () => {
    const records = await create();
    const ids = Array.from({ length: 25 }, (_, index) => `id-${String(index).padStart(2, "0")}`);
    for (const id of [...ids].reverse()) await records.create(id, { text: id });
    const seen: string[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page = await records.list({ after, limit: 10 });
      expect(page.records.length).toBeLessThanOrEqual(10);
      seen.push(...page.records.map(({ id }) => id));
      after = page.next;
    }
    expect(seen).toEqual(ids);
  });

  it("lists past a record that cannot be read, and names it", async () => {
    const records = await create();
    await records.create("a", { text: "one" });
    const revision = revisionOf(await records.create("b", { text: "refuse me" }));
    const page = await records.list();
    expect(page.records.map(({ id }) => id)).toEqual(["a"]);
    expect(page.unreadable).toEqual([{ id: "b", revision, reason: expect.any(String) }]);
    await expect(records.get("b")).rejects.toMatchObject({ reason: "record-malformed" });
  });
}

function describeBounds(create: () => Promise<RecordStore<Sample>>): void {
  it("takes a value of the largest size, and refuses one byte more", async () => {
    const records = await create();
    const overhead = JSON.stringify({ text: "" }).length;
    const text = "x".repeat(valueBytesMax - overhead);
    revisionOf(await records.create("a", { text }));
    expect((await records.get("a"))?.value.text.length).toBe(text.length);
    const tooLarge = records.create("b", { text: `${text}x` });
    await expect(tooLarge).rejects.toMatchObject({ reason: "record-too-large" });
    expect(await records.get("b")).toBeUndefined();
  });

  it.each(["", "a.b", "a b", "*", ">", "../a", "a/b", "x".repeat(65), "ä"])(
    "refuses the id %j",
    async (id) => {
      const records = await create();
      const refusal = { code: "INVALID_ARGUMENT", reason: "bad-id" };
      await expect(records.create(id, { text: "" })).rejects.toMatchObject(refusal);
      await expect(records.get(id)).rejects.toMatchObject(refusal);
      await expect(records.remove(id, { revision: 1 })).rejects.toMatchObject(refusal);
    },
  );
}

function describeWatch(create: () => Promise<RecordStore<Sample>>): void {
  it("tells what is there, then that this was all, then what changes", async () => {
    const records = await create();
    const first = revisionOf(await records.create("a", { text: "one" }));
    await records.create("b", { text: "refuse me" });
    const ending = new AbortController();
    const changes = records.watch({ signal: ending.signal })[Symbol.asyncIterator]();
    const next = async () => (await changes.next()).value as Change<Sample>;
    expect(await next()).toEqual({ kind: "put", id: "a", revision: first, value: { text: "one" } });
    expect(await next()).toMatchObject({ kind: "unreadable", id: "b" });
    expect(await next()).toEqual({ kind: "current" });
    const second = revisionOf(await records.update("a", { text: "two" }, { revision: first }));
    expect(await next()).toMatchObject({ kind: "put", revision: second, value: { text: "two" } });
    await records.remove("a", { revision: second });
    expect(await next()).toMatchObject({ kind: "removed", id: "a" });
    ending.abort();
    expect((await changes.next()).done).toBe(true);
  });

  it("says at once that an empty store is told", async () => {
    const records = await create();
    const ending = new AbortController();
    const kinds: string[] = [];
    for await (const { kind } of records.watch({ signal: ending.signal })) {
      kinds.push(kind);
      if (kind === "current") await records.create("a", { text: "one" });
      if (kind === "put") ending.abort();
    }
    expect(kinds).toEqual(["current", "put"]);
  });
}

function describeCommits(create: () => Promise<Stores<Sample, SampleCommit>>): void {
  it("keeps each committed step once, in order", async () => {
    const { commits } = await create();
    expect(await commits.head("edit")).toEqual({ revision: 0, epoch: 0, last: undefined });
    let after = 0;
    for (let step = 0; step < 5; step++) {
      after = revisionOf(await commits.append(commit(step), { after }));
    }
    expect(await commits.head("edit")).toEqual({ revision: after, epoch: 1, last: commit(4) });
    expect(await commits.read("edit")).toEqual([0, 1, 2, 3, 4].map((step) => commit(step)));
    expect(await commits.read("edit", { fromStep: 3 })).toEqual([commit(3), commit(4)]);
  });

  it("lets one of several appends after the same step through", async () => {
    const { commits } = await create();
    const after = revisionOf(await commits.append(commit(0), { after: 0 }));
    const appends = await Promise.all(
      Array.from({ length: 8 }, () => commits.append(commit(1), { after })),
    );
    expect(appends.filter(({ outcome }) => outcome === "written").length).toBe(1);
    expect(await commits.read("edit")).toEqual([commit(0), commit(1)]);
  });

  it("refuses a step that is there already, and one that leaves a gap", async () => {
    const { commits } = await create();
    const after = revisionOf(await commits.append(commit(7), { after: 0 }));
    for (const step of [6, 7, 9]) {
      const write = await commits.append(commit(step), { after });
      expect(write).toMatchObject({ reason: expect.stringContaining("expected step 8") });
    }
    expect((await commits.append(commit(8), { after })).outcome).toBe("written");
  });
}

function describeFences(create: () => Promise<Stores<Sample, SampleCommit>>): void {
  it("shuts out a lower epoch for good, even one that reads the head anew", async () => {
    const { commits } = await create();
    const old = revisionOf(await commits.append(commit(0), { after: 0 }));
    const fenced = await commits.fence("edit", { epoch: 2 });
    expect(fenced).toMatchObject({ outcome: "fenced", head: { epoch: 2, last: commit(0) } });
    expect((await commits.append(commit(1), { after: old })).outcome).toBe("conflict");
    const { revision } = await commits.head("edit");
    const late = await commits.append(commit(1), { after: revision });
    expect(late).toMatchObject({ reason: expect.stringContaining("taken over by epoch 2") });
    const next = await commits.append(commit(1, { epoch: 2 }), { after: revision });
    expect(next.outcome).toBe("written");
    expect((await commits.read("edit")).map(({ step, epoch }) => [step, epoch])).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it("fences an empty log, twice with the same epoch, and never with a lower one", async () => {
    const { commits } = await create();
    expect((await commits.fence("edit", { epoch: 3 })).outcome).toBe("fenced");
    expect((await commits.fence("edit", { epoch: 3 })).outcome).toBe("fenced");
    expect((await commits.fence("edit", { epoch: 2 })).outcome).toBe("conflict");
    expect(await commits.read("edit")).toEqual([]);
    const { revision } = await commits.head("edit");
    expect((await commits.append(commit(0), { after: revision })).outcome).toBe("conflict");
    const write = await commits.append(commit(0, { epoch: 3 }), { after: revision });
    expect(write.outcome).toBe("written");
  });

  it("purges one edit and leaves the others", async () => {
    const { commits } = await create();
    const after = revisionOf(await commits.append(commit(0), { after: 0 }));
    await commits.append(commit(0, { editId: "other" }), { after: 0 });
    await commits.purge("edit");
    expect(await commits.read("edit")).toEqual([]);
    expect((await commits.append(commit(1), { after })).outcome).toBe("conflict");
    expect(await commits.read("other")).toHaveLength(1);
    expect((await commits.append(commit(0), { after: 0 })).outcome).toBe("written");
  });
}

function describeEvents(create: () => Promise<Stores<Sample, SampleCommit>>): void {
  it("keeps the lines of each edit, oldest first, and gives the last ones", async () => {
    const { events } = await create();
    for (const line of ["one", "two", "three"]) await events.append("edit", { line });
    await events.append("other", { line: "four" });
    expect(await events.read("edit")).toEqual(["one", "two", "three"]);
    expect(await events.read("edit", { limit: 2 })).toEqual(["two", "three"]);
    await events.purge("edit");
    expect(await events.read("edit")).toEqual([]);
    expect(await events.read("other")).toEqual(["four"]);
  });

  it("drops the oldest lines past the bound", async () => {
    const { events } = await create();
    const edit = randomUUID();
    const lines = Array.from({ length: eventsPerEditMax + 2 }, (_, index) => `line ${index}`);
    for (const line of lines) await events.append(edit, { line });
    expect(await events.read(edit)).toEqual(lines.slice(2));
  });

  it("cuts a line that is too long between two characters", async () => {
    const { events } = await create();
    await events.append("edit", { line: "é".repeat(eventLineBytesMax) });
    expect(await events.read("edit")).toEqual(["é".repeat(eventLineBytesMax / 2)]);
    await events.append("edit", { line: `x${"é".repeat(eventLineBytesMax)}` });
    expect((await events.read("edit"))[1]).toBe(`x${"é".repeat(eventLineBytesMax / 2 - 1)}`);
  });
}
