/**
 * One member of a quorum, for `bench:exchange`: reads commands from its input, a line each, and
 * says what it measured. With `--sockets`: a process that exchanges as much over plain sockets.
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { createExchange, type Exchange, exchangeLimits } from "@retake/gpu-node/exchange";
import { shardCount } from "@retake/model/tuning";
import { createSocketMember } from "./exchange-sockets.js";
import { memoryOf, ownPeakRss, resetOwnPeakRss } from "./process-memory.js";

const editId = "bench";

interface MemberOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly vectorLength: number;
  readonly url: string;
  readonly pieceBytesMax: number;
  readonly windowPerPeerMax: number;
  readonly bytesInFlightMax: number;
  readonly sweepBytes: number;
}

const say = (line: object): void => console.log(JSON.stringify(line));
const nodeName = (rank: number): string => `node-${rank}`;

/** The member's partial sum of a step: another in every step, cheap to make. */
function writePartial(vector: Float32Array, { rank, step }: { rank: number; step: number }): void {
  for (let i = step % 1000; i < vector.length; i += 1000) vector[i] = (rank + 1) * (step + i);
}

async function step(exchange: Exchange, partial: Float32Array, at: StepAt): Promise<void> {
  writePartial(partial, at);
  const partials = [{ firstDraw: at.rank, drawCount: 1, sum: partial }];
  const began = performance.now();
  const turn = { quorumId: 1, step: at.step, attempts: at.step };
  const outcome = await exchange.reduce({ ...turn, drawCount: at.worldSize, partials });
  if (outcome.outcome === "failed") throw new Error(outcome.reason);
  const seconds = (performance.now() - began) / 1000;
  const { framesTaken, bytesTaken, framesRefused, framesPending, silences } = exchange.counts;
  say({
    ...{ seconds, hash: outcome.gradientHash, rss: memoryOf(process.pid).rss },
    ...{ framesTaken, bytesTaken, framesRefused, framesPending, silences },
  });
}

interface StepAt {
  readonly rank: number;
  readonly step: number;
  readonly worldSize: number;
}

async function countDisconnects(connection: NatsConnection, counted: { disconnects: number }) {
  for await (const { type } of connection.status()) {
    if (type === "disconnect") counted.disconnects += 1;
  }
}

async function member(options: MemberOptions): Promise<void> {
  const { rank, worldSize, vectorLength, url } = options;
  const { pieceBytesMax, windowPerPeerMax, bytesInFlightMax, sweepBytes } = options;
  const settings = { maxReconnectAttempts: -1, noAsyncTraces: true };
  const connection = await connect({ servers: url, ...settings });
  const counted = { disconnects: 0 };
  void countDisconnects(connection, counted);
  const exchange = createExchange({
    ...{ connection, editId, jobKey: new Uint8Array(32), nodeId: nodeName(rank), vectorLength },
    limits: { pieceBytesMax, windowPerPeerMax, bytesInFlightMax, sweepBytes },
  });
  await connection.flush();
  resetOwnPeakRss();
  const atStart = memoryOf(process.pid).rss;
  const partial = new Float32Array(vectorLength).fill(rank + 1);
  const nodeIds = Array.from({ length: worldSize }, (_, other) => nodeName(other));
  exchange.setQuorum({ quorumId: 1, nodeIds, shardCount });
  say({ ready: true });
  let next = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    exchange.endStep();
    if (line === "end") break;
    await step(exchange, partial, { rank, step: next, worldSize });
    next += 1;
  }
  // Its vectors are the partial sum and the gradient.
  const vectorBytes = 2 * partial.byteLength;
  say({ disconnects: counted.disconnects, beyondVectors: ownPeakRss() - atStart - vectorBytes });
  exchange.close();
  await connection.close();
}

/** Waits for the ports of all, then carries over plain sockets what a step carries. */
async function socketMember({ rank, vectorLength, pieceBytesMax }: MemberOptions): Promise<void> {
  const own = await createSocketMember({ rank, vectorLength, pieceBytesMax });
  say({ port: own.port });
  for await (const line of createInterface({ input: process.stdin })) {
    const seconds = await own.exchange(line.split(" ").map(Number));
    say({ seconds });
  }
  own.close();
}

const { values } = parseArgs({
  options: {
    sockets: { type: "boolean", default: false },
    rank: { type: "string", default: "0" },
    nodes: { type: "string", default: "1" },
    length: { type: "string", default: "0" },
    url: { type: "string", default: "" },
    piece: { type: "string", default: String(exchangeLimits.pieceBytesMax) },
    flight: { type: "string", default: String(exchangeLimits.bytesInFlightMax) },
    window: { type: "string", default: String(exchangeLimits.windowPerPeerMax) },
    sweep: { type: "string", default: String(exchangeLimits.sweepBytes) },
  },
});
const memberOptions: MemberOptions = {
  ...{ rank: Number(values.rank), worldSize: Number(values.nodes), url: values.url },
  ...{ vectorLength: Number(values.length), pieceBytesMax: Number(values.piece) },
  ...{ windowPerPeerMax: Number(values.window), bytesInFlightMax: Number(values.flight) },
  sweepBytes: Number(values.sweep),
};
await (values.sockets ? socketMember(memberOptions) : member(memberOptions));
