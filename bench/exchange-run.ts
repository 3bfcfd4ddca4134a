/**
 * One member of a quorum, for `bench:exchange`: reads commands from its input, a line each, and
 * says what it measured. `reader` instead of a rank: reads a raw socket to its end.
 */
import { connect as connectSocket } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { createExchange, type Exchange, exchangeLimits } from "@retake/gpu-node/exchange";
import { shardCount } from "@retake/model/tuning";
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
  const { pieceBytesMax, windowPerPeerMax, bytesInFlightMax } = options;
  const connection = await connect({ servers: url, maxReconnectAttempts: -1 });
  const counted = { disconnects: 0 };
  void countDisconnects(connection, counted);
  const exchange = createExchange({
    ...{ connection, editId, nodeId: nodeName(rank), vectorLength },
    limits: { pieceBytesMax, windowPerPeerMax, bytesInFlightMax },
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

/** Reads all that a socket sends into a vector, again and again, and how long it took. */
async function reader({
  port,
  vectorLength,
}: {
  port: number;
  vectorLength: number;
}): Promise<void> {
  const socket = connectSocket(port, "127.0.0.1");
  const vector = Buffer.alloc(4 * vectorLength, 1);
  let bytes = 0;
  let began: number | undefined;
  for await (const chunk of socket) {
    began ??= performance.now();
    // What would run over the end is left out.
    vector.set(
      (chunk as Buffer).subarray(0, vector.length - (bytes % vector.length)),
      bytes % vector.length,
    );
    bytes += (chunk as Buffer).length;
  }
  say({ bytes, seconds: (performance.now() - (began ?? 0)) / 1000 });
}

const { values } = parseArgs({
  options: {
    reader: { type: "string" },
    rank: { type: "string", default: "0" },
    nodes: { type: "string", default: "1" },
    length: { type: "string", default: "0" },
    url: { type: "string", default: "" },
    piece: { type: "string", default: String(exchangeLimits.pieceBytesMax) },
    flight: { type: "string", default: String(exchangeLimits.bytesInFlightMax) },
    window: { type: "string", default: String(exchangeLimits.windowPerPeerMax) },
  },
});
if (values.reader !== undefined)
  await reader({ port: Number(values.reader), vectorLength: Number(values.length) });
else {
  await member({
    ...{ rank: Number(values.rank), worldSize: Number(values.nodes), url: values.url },
    ...{ vectorLength: Number(values.length), pieceBytesMax: Number(values.piece) },
    ...{ windowPerPeerMax: Number(values.window), bytesInFlightMax: Number(values.flight) },
  });
}
