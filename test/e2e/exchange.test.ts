import { connect, type NatsConnection } from "@nats-io/transport-node";
import {
  createExchange,
  drawsOfRank,
  type Exchange,
  type ExchangeLimits,
  type ReduceOutcome,
  type ReduceRequest,
  type ShardConnection,
} from "@retake/gpu-node/exchange";
import { type DrawSum, meanOfDraws, mergedDrawSums, shardCount } from "@retake/model/tuning";
import { decodeShardRequest } from "@retake/wire/exchange";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type NatsProcess, startNats } from "./nats-process.js";

const editId = "edit-1";
const jobKey = new Uint8Array(32).fill(7);
const vectorLength = 100_000;
/** Absence shows soon; an answer may be slow, so that a busy machine is no silent member. */
const limits: Partial<ExchangeLimits> = {
  ...{ pieceBytesMax: 1024, holdDurationMs: 100, answerDurationMs: 60_000 },
  ...{ absenceDurationMs: 300, absencePauseMs: 20 },
};
const impatient: Partial<ExchangeLimits> = { ...limits, answerDurationMs: 400 };
const turn = { quorumId: 1, step: 0, attempts: 0 };

interface Member {
  readonly nodeId: string;
  readonly connection: NatsConnection;
  readonly exchange: Exchange;
}

let server: NatsProcess;
const members: Member[] = [];
beforeAll(async () => {
  server = await startNats();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const { exchange, connection } of members.splice(0)) {
    exchange.close();
    await connection.close();
  }
});

type Wrapping = (connection: NatsConnection) => ShardConnection;

interface JoinOptions {
  readonly wrap?: Wrapping | undefined;
  readonly limits?: Partial<ExchangeLimits>;
}

async function join(nodeId: string, options: JoinOptions = {}): Promise<Member> {
  const { wrap = (plain) => plain } = options;
  const connection = await connect({ servers: server.url, maxReconnectAttempts: -1 });
  const exchange = createExchange({
    ...{ editId, jobKey, nodeId, vectorLength, limits, ...options },
    connection: wrap(connection),
  });
  await connection.flush();
  const member = { nodeId, connection, exchange };
  members.push(member);
  return member;
}

function drawSum(draw: number): DrawSum {
  let state = draw + 1;
  const sum = Float32Array.from({ length: vectorLength }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) * 10 ** (state % 7);
  });
  return { firstDraw: draw, drawCount: 1, sum };
}

const bitsOf = (vector: Float32Array): Buffer =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
const meanAlone = (drawCount: number): Float32Array =>
  meanOfDraws(
    Array.from({ length: drawCount }, (_, draw) => drawSum(draw)),
    drawCount,
  );

function begin(nodeIds: readonly string[], quorumId = 1): void {
  for (const { nodeId, exchange } of members) {
    if (nodeIds.includes(nodeId)) exchange.setQuorum({ quorumId, nodeIds, shardCount });
  }
}

/** What each member that is here makes of one step. */
function reduceAll(
  nodeIds: readonly string[],
  request: Omit<ReduceRequest, "partials">,
): Promise<readonly ReduceOutcome[]> {
  const world = { drawCount: request.drawCount, worldSize: nodeIds.length };
  return Promise.all(
    members.map(({ nodeId, exchange }) => {
      const { begin: first, end } = drawsOfRank(world, nodeIds.indexOf(nodeId));
      const draws = Array.from({ length: end - first }, (_, i) => drawSum(first + i));
      return exchange.reduce({ ...request, partials: mergedDrawSums(draws) });
    }),
  );
}

function expectBits(outcomes: readonly ReduceOutcome[], drawCount: number): void {
  const alone = bitsOf(meanAlone(drawCount));
  for (const outcome of outcomes) {
    if (outcome.outcome === "failed") throw new Error(outcome.reason);
    expect(bitsOf(outcome.gradient).equals(alone)).toBe(true);
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `node-${i}`);

describe("the gradient exchange over NATS", () => {
  it.each([1, 2, 3, 4])(
    "gives %i members the bits of one node, for 1 to 8 draws",
    async (count) => {
      const nodeIds = names(count);
      for (const nodeId of nodeIds) await join(nodeId);
      begin(nodeIds);
      for (let drawCount = 1; drawCount <= 8; drawCount += 1) {
        const step = drawCount - 1;
        const outcomes = await reduceAll(nodeIds, { ...turn, step, attempts: step, drawCount });
        expectBits(outcomes, drawCount);
        for (const { exchange } of members) exchange.endStep();
      }
      for (const { exchange } of members) {
        const { framesRefused, requestsRefused, silences } = exchange.counts;
        expect([framesRefused, requestsRefused, silences]).toEqual([0, 0, 0]);
      }
    },
  );

  it("suspects the member that never came", async () => {
    const nodeIds = names(3);
    for (const nodeId of nodeIds.slice(1)) await join(nodeId);
    begin(nodeIds);
    for (const outcome of await reduceAll(nodeIds, { ...turn, drawCount: 3 })) {
      expect(outcome).toMatchObject({ outcome: "failed", suspectNodeId: "node-0" });
    }
  });

  it("suspects the member that is there but says nothing", async () => {
    const nodeIds = names(2);
    await join("node-0", { limits: impatient });
    const silent = await connect({ servers: server.url });
    silent.subscribe(`retake.v1.${editId}.node-1.shard`, { callback: () => undefined });
    await silent.flush();
    begin(nodeIds);
    const [outcome] = await reduceAll(nodeIds, { ...turn, drawCount: 2 });
    expect(outcome).toMatchObject({ outcome: "failed", suspectNodeId: "node-1" });
    await silent.close();
  });

  it("suspects the member that dies in the middle, and goes on without it", async () => {
    const nodeIds = names(3);
    const dying: Wrapping = (connection) => ({
      ...{ flush: () => connection.flush(), isClosed: () => connection.isClosed() },
      publish: (...args) => connection.publish(...args),
      subscribe: (...args) => connection.subscribe(...args),
      // It asks for its first hundred pieces, and is gone.
      request: (...args) => {
        asked += 1;
        if (asked === 100) void connection.close();
        return connection.request(...args);
      },
    });
    let asked = 0;
    for (const nodeId of nodeIds) {
      await join(nodeId, { wrap: nodeId === "node-2" ? dying : undefined });
    }
    begin(nodeIds);
    const outcomes = await reduceAll(nodeIds, { ...turn, drawCount: 4 });
    for (const outcome of outcomes.slice(0, 2)) {
      expect(outcome).toMatchObject({ outcome: "failed", suspectNodeId: "node-2" });
    }
    expect(outcomes[2]).toMatchObject({ outcome: "failed", suspectNodeId: undefined });

    members.pop()?.exchange.close();
    const rest = nodeIds.slice(0, 2);
    begin(rest, 2);
    expectBits(await reduceAll(rest, { ...turn, quorumId: 2, drawCount: 4 }), 4);
  });

  it("refuses damaged bytes, and fetches them again", async () => {
    const nodeIds = names(2);
    const asked = new Set<string>();
    const damaging: Wrapping = (connection) => ({
      ...{ flush: () => connection.flush(), isClosed: () => connection.isClosed() },
      publish: (...args) => connection.publish(...args),
      subscribe: (...args) => connection.subscribe(...args),
      // The first answer to every tenth question: a second time it comes whole.
      request: async (subject, payload, options) => {
        const message = await connection.request(subject, payload, options);
        // The seal is another each time.
        const bytes = Buffer.from(payload ?? "");
        const question = JSON.stringify(decodeShardRequest(bytes, jobKey));
        const isDamaged = !asked.has(question) && asked.size % 10 === 0;
        asked.add(question);
        if (!isDamaged) return message;
        const data = message.data.with(-1, (message.data.at(-1) ?? 0) ^ 1);
        return { ...message, data };
      },
    });
    for (const nodeId of nodeIds) {
      await join(nodeId, { wrap: nodeId === "node-0" ? damaging : undefined });
    }
    begin(nodeIds);
    expectBits(await reduceAll(nodeIds, { ...turn, drawCount: 2 }), 2);
    expect(members[0]?.exchange.counts.framesRefused).toBeGreaterThan(10);
    expect(members[1]?.exchange.counts.framesRefused).toBe(0);
  });

  it("counts what is no request, and answers none of it", async () => {
    const { exchange, connection } = await join("node-0");
    const subject = `retake.v1.${editId}.node-0.shard`;
    for (const text of ["", "hello", "\u00ff\u00ff"]) {
      const asked = connection.request(subject, new TextEncoder().encode(text), { timeout: 50 });
      await expect(asked).rejects.toThrow();
    }
    // On one connection, what was asked before has come when the answer to this one does.
    await connection.flush();
    expect(exchange.counts.requestsRefused).toBe(3);
  });

  it("survives a restart of the server", async () => {
    const nodeIds = names(2);
    // A question that the old server took with it is asked again after this time.
    const bounded = { ...limits, answerDurationMs: 5000 };
    for (const nodeId of nodeIds) await join(nodeId, { limits: bounded });
    begin(nodeIds);
    const [first, second] = members;
    const world = { drawCount: 2, worldSize: 2 };
    const partialOf = (rank: number): DrawSum[] => [drawSum(drawsOfRank(world, rank).begin)];
    const early = first?.exchange.reduce({ ...turn, drawCount: 2, partials: partialOf(0) });
    const port = Number(new URL(server.url).port);
    await server.stop();
    server = await startNats({ port });
    const late = second?.exchange.reduce({ ...turn, drawCount: 2, partials: partialOf(1) });
    const outcomes = await Promise.all([early, late]);
    expectBits(
      outcomes.filter((outcome) => outcome !== undefined),
      2,
    );
  });
});
