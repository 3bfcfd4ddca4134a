import { gradientNorm, shardCount, vectorNorm } from "@retake/model/tuning";
import { shardSubject } from "@retake/wire";
import { decodeEditId, decodeNodeId } from "@retake/wire/decoders";
import {
  decodeShardFrame,
  encodeShardFrame,
  encodeShardRequest,
  ShardKind,
} from "@retake/wire/exchange";
import { describe, expect, it } from "vitest";
import { createExchange } from "./exchange.js";
import type { ShardConnection } from "./shard-connection.js";
import type { ReduceOutcome } from "./step-run.js";
import {
  createMembers,
  editId,
  jobKey,
  type Member,
  meanAlone,
  partialsOfRank,
  reduceAll,
  reduceRank,
  setQuorum,
  vectorLength,
} from "./testing/members.js";
import { MemoryBus, type Tampering } from "./testing/memory-bus.js";
import { bitsOf } from "./testing/random-vector.js";

const membersOn = (bus: MemoryBus, count: number): readonly Member[] =>
  createMembers(Array.from({ length: count }, () => bus.connect()));

function reduced(outcome: ReduceOutcome | undefined) {
  if (outcome?.outcome === "reduced") return outcome;
  throw new Error(outcome?.reason ?? "no outcome");
}

const closeAll = (members: readonly Member[]): void => {
  for (const { exchange } of members) exchange.close();
};

const turn = { quorumId: 1, step: 0, attempts: 0 };
/** Flips one bit of the n-th answer, at a share of its length. */
const flipOnce = (answerIndex: number, share: number): Tampering => {
  let count = 0;
  return (answer) => {
    if (count++ !== answerIndex) return answer;
    const at = Math.floor(share * (answer.length - 1));
    return answer.map((byte, i) => (i === at ? byte ^ 0x10 : byte));
  };
};

describe("Exchange", () => {
  it("gives every member the bits of one node, for all small worlds", async () => {
    for (let drawCount = 1; drawCount <= 8; drawCount += 1) {
      const alone = meanAlone(drawCount);
      const hashes = new Set<string>();
      for (let worldSize = 1; worldSize <= 5; worldSize += 1) {
        const members = membersOn(new MemoryBus(), worldSize);
        setQuorum(members, 1);
        const outcomes = await reduceAll(members, { ...turn, drawCount });
        for (const outcome of outcomes.map(reduced)) {
          expect(bitsOf(outcome.gradient)).toEqual(bitsOf(alone));
          expect(gradientNorm(outcome.sumsOfSquares)).toBe(vectorNorm(alone));
          hashes.add(outcome.gradientHash);
        }
        closeAll(members);
      }
      expect(hashes.size).toBe(1);
    }
  });

  it("moves each update to each member once", async () => {
    const members = membersOn(new MemoryBus(), 4);
    setQuorum(members, 1);
    await reduceAll(members, { ...turn, drawCount: 4 });
    const taken = members.reduce((sum, { exchange }) => sum + exchange.counts.bytesTaken, 0);
    expect(taken).toBe(2 * 3 * 4 * vectorLength);
    closeAll(members);
  });

  it("takes nothing from who lacks the key, or from a step ago, and keeps the bits", async () => {
    const bus = new MemoryBus();
    const heard: Uint8Array[] = [];
    const wrongs: Tampering[] = [];
    const listening: Tampering = (answer) => {
      heard.push(answer);
      return wrongs.shift()?.(answer) ?? answer;
    };
    const members = createMembers([bus.connect(), bus.connect(listening)]);
    setQuorum(members, 1);
    await reduceAll(members, { ...turn, drawCount: 2 });
    for (const { exchange } of members) exchange.endStep();
    const [old = new Uint8Array()] = heard;
    const otherKey = new Uint8Array(32).fill(8);
    const byAnother: Tampering = (answer) => {
      const { head, bytes } = decodeShardFrame(answer, jobKey);
      return encodeShardFrame(head, bytes, otherKey);
    };
    const unsealed: Tampering = (answer) => answer.map((byte, at) => (at < 28 ? 0 : byte));
    wrongs.push(
      byAnother,
      unsealed,
      (answer) => answer.subarray(28),
      () => old,
    );
    const frames = wrongs.length;
    const next = { quorumId: 1, step: 1, attempts: 1 };
    const working = reduceAll(members, { ...next, drawCount: 2 });
    const request = {
      ...{ ...next, kind: ShardKind.SHARD_KIND_PARTIAL, shardIndex: 0, firstDraw: 0, drawCount: 1 },
      ...{ offsetBytes: 0, lengthBytes: 8 },
    };
    const right = encodeShardRequest(request, jobKey);
    const requests = [encodeShardRequest(request, otherKey), unsealed(right), right.subarray(28)];
    const ids = { editId: decodeEditId(editId), nodeId: decodeNodeId("node-0") };
    const intruder = bus.connect();
    for (const sent of requests) void intruder.request(shardSubject(ids), sent);
    const past = encodeShardRequest({ ...request, ...turn }, jobKey);
    const { data } = await intruder.request(shardSubject(ids), past);
    expect(decodeShardFrame(data, jobKey).head.stale).toBe(true);
    for (const outcome of (await working).map(reduced)) {
      expect(bitsOf(outcome.gradient)).toEqual(bitsOf(meanAlone(2)));
    }
    const [first, second] = members.map(({ exchange }) => exchange.counts);
    expect([first?.requestsRefused, second?.framesRefused]).toEqual([requests.length, frames]);
    expect(first?.requestsStale).toBe(1);
    const count = requests.length + frames;
    console.log(`messages without the key, or of a step ago: ${count} of ${count} refused`);
    closeAll(members);
  });

  it("needs no connection for a quorum of one", async () => {
    const exchange = createExchange({
      ...{ connection: undefined, editId, jobKey, nodeId: "node-0", vectorLength },
    });
    exchange.setQuorum({ quorumId: 1, nodeIds: ["node-0"], shardCount });
    const partials = partialsOfRank(0, { drawCount: 3, worldSize: 1 });
    const before = partials.map(({ sum }) => sum.slice());
    const outcome = reduced(await exchange.reduce({ ...turn, drawCount: 3, partials }));
    expect(bitsOf(outcome.gradient)).toEqual(bitsOf(meanAlone(3)));
    expect(partials.map(({ sum }) => sum)).toEqual(before);
    const both = { quorumId: 2, nodeIds: ["node-0", "node-1"], shardCount };
    expect(() => exchange.setQuorum(both)).toThrow(/has no NATS/);
    exchange.close();
  });

  it("waits for a member that comes later, without asking again and again", async () => {
    const members = membersOn(new MemoryBus(), 2);
    setQuorum(members, 1);
    const first = reduceRank(members, 0, { ...turn, drawCount: 2 });
    await new Promise(setImmediate);
    const second = reduceRank(members, 1, { ...turn, drawCount: 2 });
    const hashes = (await Promise.all([first, second])).map((each) => reduced(each).gradientHash);
    expect(hashes[0]).toBe(hashes[1]);
    expect(members[0]?.exchange.counts.framesPending).toBe(0);
    closeAll(members);
  });

  it("refuses a damaged answer, wherever it is damaged, and asks again", async () => {
    let refused = 0;
    for (let share = 0; share <= 1; share += 1 / 64) {
      const bus = new MemoryBus();
      const members = createMembers([bus.connect(flipOnce(3, share)), bus.connect()]);
      setQuorum(members, 1);
      const outcomes = await reduceAll(members, { ...turn, drawCount: 2 });
      const damaged = outcomes[0];
      // A flipped flag may say that the turn is over; the step then fails, and is done again.
      if (damaged?.outcome === "reduced") {
        expect(bitsOf(damaged.gradient)).toEqual(bitsOf(meanAlone(2)));
      } else {
        expect(damaged?.reason).toMatch(/later turn/);
      }
      refused += members[0]?.exchange.counts.framesRefused ?? 0;
      closeAll(members);
    }
    expect(refused).toBeGreaterThan(60);
  });

  it("fails with the peer that keeps sending damaged answers", async () => {
    const bus = new MemoryBus();
    const breakAll: Tampering = (answer) => answer.with(-1, (answer.at(-1) ?? 0) ^ 1);
    const members = createMembers([bus.connect(breakAll), bus.connect()]);
    setQuorum(members, 1);
    const other = reduceRank(members, 1, { ...turn, drawCount: 2 });
    const outcome = await reduceRank(members, 0, { ...turn, drawCount: 2 });
    expect(outcome).toMatchObject({ outcome: "failed", suspectNodeId: "node-1" });
    expect(members[0]?.exchange.counts.framesRefused).toBeGreaterThanOrEqual(3);
    closeAll(members);
    await other;
  });

  it("ends what is under way when a new quorum begins, and does it again with it", async () => {
    const members = membersOn(new MemoryBus(), 3);
    setQuorum(members, 1);
    const rest = members.slice(0, 2);
    const waiting = [0, 1].map((rank) => reduceRank(members, rank, { ...turn, drawCount: 4 }));
    await new Promise(setImmediate);
    setQuorum(rest, 2);
    for (const outcome of await Promise.all(waiting)) {
      expect(outcome).toMatchObject({ outcome: "failed", suspectNodeId: undefined });
    }
    const outcomes = await reduceAll(rest, { ...turn, quorumId: 2, drawCount: 4 });
    for (const outcome of outcomes.map(reduced)) {
      expect(bitsOf(outcome.gradient)).toEqual(bitsOf(meanAlone(4)));
    }
    closeAll(members);
  });

  it("tells a member of an earlier quorum that it is late, without a suspect", async () => {
    const members = membersOn(new MemoryBus(), 2);
    setQuorum(members, 1);
    const late = reduceRank(members, 0, { ...turn, drawCount: 2 });
    setQuorum(members.slice(1), 2);
    expect(await late).toMatchObject({ outcome: "failed", suspectNodeId: undefined });
    expect(members[1]?.exchange.counts.requestsStale).toBeGreaterThan(0);
    closeAll(members);
  });

  it("does not mix two tries of one step", async () => {
    const members = membersOn(new MemoryBus(), 2);
    setQuorum(members, 1);
    await reduceAll(members, { ...turn, drawCount: 2 });
    members[0]?.exchange.endStep();
    const again = { ...turn, attempts: 1, drawCount: 2 };
    let hasEnded = false;
    const first = reduceRank(members, 0, again).finally(() => (hasEnded = true));
    await new Promise(setImmediate);
    // The other still serves the first try.
    expect(hasEnded).toBe(false);
    members[1]?.exchange.endStep();
    const outcomes = await Promise.all([first, reduceRank(members, 1, again)]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["reduced", "reduced"]);
    closeAll(members);
  });

  it("asks again at once what was asked before the connection was lost", async () => {
    const bus = new MemoryBus();
    const listeners = new Set<() => void>();
    const losing: ShardConnection = { ...bus.connect(), request: () => new Promise(() => {}) };
    const onReconnect = (listener: () => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    const members = createMembers([losing, bus.connect()], {}, onReconnect);
    setQuorum(members, 1);
    const outcomes = reduceAll(members, { ...turn, drawCount: 2 });
    await new Promise(setImmediate);
    // The connection is there again; what was asked until now is never answered.
    losing.request = bus.connect().request;
    for (const listener of listeners) listener();
    for (const outcome of (await outcomes).map(reduced)) {
      expect(bitsOf(outcome.gradient)).toEqual(bitsOf(meanAlone(2)));
    }
    expect(members[0]?.exchange.counts.silences).toBe(0);
    closeAll(members);
    expect(listeners.size).toBe(0);
  });

  it("stops when it is told to", async () => {
    const members = membersOn(new MemoryBus(), 2);
    setQuorum(members, 1);
    const stop = new AbortController();
    const waiting = reduceRank(members, 0, { ...turn, drawCount: 2, signal: stop.signal });
    await new Promise(setImmediate);
    stop.abort();
    expect(await waiting).toMatchObject({ outcome: "failed", reason: "stopped" });
    closeAll(members);
  });

  it("refuses a quorum that is not newer, not its own, or cut into other shards", () => {
    const [member] = membersOn(new MemoryBus(), 1);
    const { exchange } = member ?? {};
    const quorum = { quorumId: 3, nodeIds: ["node-0"], shardCount };
    exchange?.setQuorum(quorum);
    expect(() => exchange?.setQuorum(quorum)).toThrow(/after 3, got 3/);
    expect(() => exchange?.setQuorum({ ...quorum, quorumId: 2 })).toThrow(/after 3, got 2/);
    const next = { ...quorum, quorumId: 4 };
    expect(() => exchange?.setQuorum({ ...next, nodeIds: ["node-1"] })).toThrow(/node-0/);
    expect(() => exchange?.setQuorum({ ...next, nodeIds: ["node-0", "node-0"] })).toThrow(/once/);
    expect(() => exchange?.setQuorum({ ...next, shardCount: 32 })).toThrow(/expected 64, got 32/);
    exchange?.close();
  });

  it("does not begin a step of another quorum", async () => {
    const members = membersOn(new MemoryBus(), 1);
    setQuorum(members, 2);
    const outcome = await reduceRank(members, 0, { ...turn, drawCount: 1 });
    expect(outcome).toMatchObject({ outcome: "failed", suspectNodeId: undefined });
    closeAll(members);
  });
});
