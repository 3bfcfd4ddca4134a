import { describe, expect, it } from "vitest";
import { collectGarbage, countUnreadable } from "./collect-garbage.js";
import { pageRecordsMax } from "./limits.js";
import { createMemoryArtifacts } from "./memory-artifacts.js";
import { createMemoryRecords } from "./memory-records.js";
import { createMemoryStores } from "./memory-stores.js";
import { decideGarbage } from "./retention.js";
import { source } from "./testing/artifact-contract.js";
import { commit, commitCodec, sampleCodec } from "./testing/values.js";

const options = { editKeptMs: 100, unreferencedKeptMs: 10 };

/** An edit that ended at 0 and one that is open, an artifact of each, and one of nobody. */
async function setUp() {
  let nowUnixMs = 0;
  const stores = createMemoryStores({ record: sampleCodec, commit: commitCodec });
  const artifacts = await createMemoryArtifacts({ nowUnixMs: () => nowUnixMs });
  const [own, used, lost] = [
    await artifacts.put(source("own")),
    await artifacts.put(source("used")),
    await artifacts.put(source("lost")),
  ];
  for (const editId of ["ended", "open"]) {
    await stores.records.create(editId, { text: editId });
    await stores.commits.append(commit(0, { editId }), { after: 0 });
    await stores.events.append(editId, { line: "began" });
  }
  const edits = [
    { id: "ended", endedUnixMs: 0, artifactIds: [own.id] },
    { id: "open", endedUnixMs: undefined, artifactIds: [used.id] },
  ];
  const decide = async () => {
    const unreadableCount = await countUnreadable(stores.records);
    const kept = { edits, artifacts: await artifacts.list(), unreadableCount };
    return decideGarbage(kept, nowUnixMs, options);
  };
  const setNow = (unixMs: number) => {
    nowUnixMs = unixMs;
  };
  return { stores, artifacts, own, used, lost, decide, setNow };
}

describe("countUnreadable", () => {
  it("counts the records that the codec refuses, on every page", async () => {
    const records = createMemoryRecords(sampleCodec);
    const count = 2 * pageRecordsMax + 1;
    for (let at = 0; at < count; at += 1) {
      await records.create(`e${at}`, { text: at % 2 === 0 ? "refuse me" : "known" });
    }
    expect(await countUnreadable(records)).toBe(pageRecordsMax + 1);
  });
});

describe("collectGarbage", () => {
  it("removes an expired edit whole and leaves the open one whole", async () => {
    const { stores, artifacts, used, decide, setNow } = await setUp();
    setNow(100);
    const collected = await collectGarbage(stores, artifacts, await decide());
    expect(collected).toEqual({ edits: 1, artifacts: 2, left: 0 });
    expect((await stores.records.list()).records.map(({ id }) => id)).toEqual(["open"]);
    expect(await stores.commits.read("ended")).toEqual([]);
    expect(await stores.events.read("ended")).toEqual([]);
    expect(await stores.commits.read("open")).toHaveLength(1);
    expect((await artifacts.list()).map(({ id }) => id)).toEqual([used.id]);
  });

  it("leaves what was touched after the decision", async () => {
    const { stores, artifacts, lost, decide, setNow } = await setUp();
    setNow(100);
    const decision = await decide();
    await artifacts.touch(lost.id);
    const collected = await collectGarbage(stores, artifacts, decision);
    expect(collected).toEqual({ edits: 1, artifacts: 1, left: 1 });
    expect(await artifacts.stat(lost.id)).toBeDefined();
  });

  it("removes no artifact while an edit that was to go is written again", async () => {
    const { stores, artifacts, own, decide, setNow } = await setUp();
    setNow(100);
    const decision = await decide();
    const records = {
      ...stores.records,
      remove: async () => ({ outcome: "conflict", reason: "retried" }) as const,
    };
    const collected = await collectGarbage({ ...stores, records }, artifacts, decision);
    expect(collected).toEqual({ edits: 0, artifacts: 0, left: 3 });
    expect(await artifacts.stat(own.id)).toBeDefined();
    expect(await stores.commits.read("ended")).toHaveLength(1);
  });

  it("does the rest when it was cut short before", async () => {
    const { stores, artifacts, decide, setNow } = await setUp();
    setNow(100);
    const decision = await decide();
    const found = await stores.records.get("ended");
    await stores.records.remove("ended", { revision: found?.revision ?? 0 });
    await collectGarbage(stores, artifacts, decision);
    expect(await stores.commits.read("ended")).toEqual([]);
    expect(await artifacts.list()).toHaveLength(1);
  });
});
