import { Code, RetakeError } from "@retake/errors";
import type { PullActivationsResponse } from "@retake/wire/peer";
import { describe, expect, it } from "vitest";
import { FrameGroup } from "./frame-group.js";
import { FrameGroups } from "./frame-groups.js";
import { Inbox } from "./inbox.js";
import { roundsAheadMax } from "./limits.js";
import { Outbox } from "./outbox.js";

const none = new AbortController().signal;
const over = new RetakeError(Code.Unavailable, "peer-silent", "over");
const values = (...numbers: number[]): Float32Array => Float32Array.from(numbers);

/** A message cut into pieces of so many bytes. */
function pieces(
  data: Float32Array,
  { pass = 0, round = 0, bytes = 8 } = {},
): PullActivationsResponse[] {
  const whole = Buffer.from(data.buffer);
  const totalBytes = whole.length;
  const offsets = Array.from({ length: Math.ceil(totalBytes / bytes) }, (_, i) => i * bytes);
  return offsets.map((offsetBytes) => ({
    ...{ pass, round, offsetBytes, totalBytes },
    data: whole.subarray(offsetBytes, offsetBytes + bytes),
  }));
}

async function* given(messages: readonly PullActivationsResponse[]) {
  yield* messages;
}

describe("Outbox", () => {
  it("hands messages out in order, also those that come later", async () => {
    const outbox = new Outbox();
    const messages = outbox.messages(none);
    outbox.give({ pass: 0, round: 0, values: values(1) });
    expect((await messages.next()).value).toMatchObject({ round: 0 });
    const later = messages.next();
    outbox.give({ pass: 0, round: 1, values: values(2) });
    expect((await later).value).toMatchObject({ round: 1 });
  });

  it("takes so many messages that nobody took, and no more", () => {
    const outbox = new Outbox();
    const give = (round: number): void => outbox.give({ pass: 0, round, values: values(1) });
    for (let round = 0; round < roundsAheadMax; round += 1) give(round);
    expect(() => give(roundsAheadMax)).toThrow("expected a peer to take");
  });

  it("tells who waits why it was closed, and ends with its reader's signal", async () => {
    const outbox = new Outbox();
    const waiting = outbox.messages(none).next();
    outbox.close(over);
    await expect(waiting).rejects.toBe(over);
    const stop = new AbortController();
    const stopped = new Outbox().messages(stop.signal).next();
    stop.abort("enough");
    await expect(stopped).rejects.toBe("enough");
  });
});

describe("Inbox", () => {
  const inboxOf = (messages: readonly PullActivationsResponse[], patienceMs = 60_000): Inbox =>
    new Inbox(() => given(messages), { subject: "rank 1", patienceMs });

  it("puts the pieces of a message together", async () => {
    const data = values(1, 2, 3, 4, 5);
    const inbox = inboxOf([...pieces(data), ...pieces(values(6), { round: 1 })]);
    expect(await inbox.take({ pass: 0, round: 0, length: 5 })).toEqual(data);
    expect(await inbox.take({ pass: 0, round: 1, length: 1 })).toEqual(values(6));
  });

  it.each([
    ["another pass", pieces(values(1, 2), { pass: 1 })],
    ["another round", pieces(values(1, 2), { round: 1 })],
    ["another length", pieces(values(1, 2, 3))],
    ["a piece twice", pieces(values(1, 2), { bytes: 4 }).toSpliced(1, 1)],
    ["a piece beyond the end", pieces(values(1, 2)).map((p) => ({ ...p, data: Buffer.alloc(12) }))],
    ["nothing in a piece", pieces(values(1, 2)).map((p) => ({ ...p, data: Buffer.alloc(0) }))],
  ])("refuses %s", async (name, messages) => {
    const doubled = name === "a piece twice" ? [...messages, ...messages] : messages;
    const work = inboxOf(doubled).take({ pass: 0, round: 0, length: 2 });
    await expect(work).rejects.toMatchObject({ reason: "bad-message" });
  });

  it("gives a peer up that is silent, or has ended", async () => {
    const ended = inboxOf([]).take({ pass: 0, round: 0, length: 1 });
    await expect(ended).rejects.toMatchObject({ reason: "peer-silent", code: Code.Unavailable });
    const silent = new Inbox(
      async function* (signal) {
        await new Promise((_, reject) => signal.addEventListener("abort", reject));
        yield* pieces(values(1));
      },
      { subject: "rank 1", patienceMs: 1 },
    );
    const work = silent.take({ pass: 0, round: 0, length: 1 });
    await expect(work).rejects.toThrow("rank 1: expected activations within 1 ms");
  });
});

describe("FrameGroup", () => {
  /** Two ranks that pull from each other in this process. */
  function pair(): readonly [FrameGroup, FrameGroup] {
    const groups: FrameGroup[] = [];
    const make = (rank: number): FrameGroup =>
      new FrameGroup(
        { rank, frameCounts: [1, 1] },
        {
          jobKey: new Uint8Array(32),
          patienceMs: 60_000,
          open: (from) =>
            async function* (signal) {
              for await (const message of groups[from]?.outgoing(rank, signal) ?? []) {
                yield* pieces(message.values, message);
              }
            },
        },
      );
    groups.push(make(0), make(1));
    const [a, b] = groups;
    if (a === undefined || b === undefined) throw new Error("two ranks");
    return [a, b];
  }

  it("exchanges round after round, also where only one side gives", async () => {
    const [a, b] = pair();
    const [left, right] = [a.exchanger(3), b.exchanger(3)];
    const empty = values();
    const first = { sends: [empty, values(1, 2)], lengths: [0, 0] };
    await left(first);
    const got = await right({ sends: [empty, empty], lengths: [2, 0] });
    expect(got[0]).toEqual(values(1, 2));
    const rounds = await Promise.all([
      left({ sends: [empty, values(3)], lengths: [0, 1] }),
      right({ sends: [values(4), empty], lengths: [1, 0] }),
    ]);
    expect(rounds.map(([x, y]) => [x, y])).toEqual([
      [empty, values(4)],
      [values(3), empty],
    ]);
  });

  it("refuses a round of another pass, and a rank that is itself", async () => {
    const [a, b] = pair();
    await a.exchanger(0)({ sends: [values(), values(1)], lengths: [0, 0] });
    const other = b.exchanger(1)({ sends: [values(), values()], lengths: [1, 0] });
    await expect(other).rejects.toMatchObject({ reason: "bad-message" });
    expect(() => a.outgoing(0, none)).toThrow("expected a rank other than 0");
    expect(() => a.outgoing(2, none)).toThrow("expected a rank other than 0, got 2");
  });

  it("tells its peers why it was closed", async () => {
    const [a, b] = pair();
    const waiting = b.exchanger(0)({ sends: [values(), values()], lengths: [1, 0] });
    a.close(over);
    await expect(waiting).rejects.toBe(over);
  });
});

describe("FrameGroups", () => {
  const group = new FrameGroup(
    { rank: 0, frameCounts: [1, 1] },
    { jobKey: new Uint8Array(32), open: () => () => given([]), patienceMs: 1 },
  );

  it("finds a group, also one that comes a little later", async () => {
    const groups = new FrameGroups();
    const early = groups.find("g", none);
    groups.add("g", group);
    expect(await early).toBe(group);
    expect(await groups.find("g", none)).toBe(group);
  });

  it("waits no longer than its caller", async () => {
    const stop = new AbortController();
    const work = new FrameGroups().find("g", stop.signal);
    stop.abort("gone");
    await expect(work).rejects.toBe("gone");
  });
});
