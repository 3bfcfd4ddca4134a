import { describe, expect, it } from "vitest";
import type { EditRecord } from "../job/edit-record.js";
import { createMemoryEvents } from "../store/memory-logs.js";
import { EventWriter, readEvents } from "./event-writer.js";
import { eventsWaitingMax } from "./limits.js";

const record = (reason: string, attempt = 1): EditRecord =>
  ({ id: "e1", attempt, phase: "tune", reason }) as EditRecord;

function writer(events = createMemoryEvents()) {
  const lost: string[] = [];
  const stop = new AbortController();
  let nowMs = 0;
  const options = { events, signal: stop.signal, nowUnixMs: () => (nowMs += 1) };
  const writing = new EventWriter({ ...options, onLost: (message) => lost.push(message) });
  return { writing, events, lost, stop };
}

/** Every append that was begun has ended. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("EventWriter", () => {
  it("keeps each reason once, in order, and leaves out mere progress", async () => {
    const { writing, events } = writer();
    const reasons = ["tune begins", "frame 1 is stored", "frame 2 is stored", "done", "", "done"];
    for (const reason of reasons) writing.tell(record(reason));
    writing.tell(record("done", 2));
    await settled();
    const read = await readEvents(events, "e1", { limit: 10 });
    expect(read.map(({ reason, attempt }) => `${attempt} ${reason}`)).toEqual([
      ...["1 tune begins", "1 frame 1 is stored", "1 done", "2 done"],
    ]);
    expect(read.map(({ unixMs }) => unixMs)).toEqual([1, 2, 3, 4]);
    expect(await readEvents(events, "e1", { limit: 2 })).toHaveLength(2);
    expect(await readEvents(events, "e1", { limit: 0 })).toEqual([]);
  });

  it("tells of lines that the store refuses, and goes on", async () => {
    const events = createMemoryEvents();
    let tries = 0;
    const refusing = {
      ...events,
      append: (editId: string, event: { readonly line: string }) => {
        tries += 1;
        return tries === 1 ? Promise.reject(new Error("full")) : events.append(editId, event);
      },
    };
    const { writing, lost } = writer(refusing);
    writing.tell(record("one"));
    writing.tell(record("two"));
    await settled();
    expect((await readEvents(events, "e1", { limit: 9 })).map(({ reason }) => reason)).toEqual([
      "two",
    ]);
    expect(lost).toHaveLength(1);
  });

  it("holds a bounded number while the store is away", () => {
    const never = { ...createMemoryEvents(), append: () => new Promise<void>(() => {}) };
    const { writing, lost } = writer(never);
    for (let i = 0; i < eventsWaitingMax + 5; i += 1) writing.tell(record("x".repeat(i + 1)));
    expect(lost).toHaveLength(4);
  });

  it("reads past lines that are no events", async () => {
    const events = createMemoryEvents();
    for (const line of ["{", "null", "[]", '{"unixMs":1}', '{"unixMs":"1"}']) {
      await events.append("e1", { line });
    }
    expect(await readEvents(events, "e1", { limit: 9 })).toEqual([]);
  });
});
