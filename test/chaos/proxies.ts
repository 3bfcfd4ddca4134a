import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type NatsFrame, NatsSplitter } from "./nats-frames.js";

/** A link that can be cut: nothing gets through, and nobody is told. */
export interface Link {
  readonly port: number;
  cut(): void;
  /** Connections of the time before the cut are gone; new ones work. */
  heal(): void;
  /** Turns a bit of the last byte of the next larger piece that comes back from the target. */
  corruptNext(): void;
  /** Leads to another port from now on; connections to the old one end. */
  follow(targetPort: number): void;
  close(): Promise<void>;
}

/** Smaller pieces are of the protocol, or hold little that could be damaged. */
const corruptBytesMin = 256;

/** Forwards TCP connections to a port of this machine. */
export async function createLink(port: number): Promise<Link> {
  const sockets = new Set<Socket>();
  const state = { isCut: false, corrupts: false, targetPort: port };
  const server = createServer((client) => {
    const target = connect(state.targetPort, "127.0.0.1");
    pair(sockets, client, target);
    client.on("data", (bytes) => {
      if (!state.isCut) target.write(bytes);
    });
    target.on("data", (bytes) => {
      if (state.isCut) return;
      if (state.corrupts && bytes.length >= corruptBytesMin) {
        state.corrupts = false;
        flipBit(bytes, bytes.length - 1);
      }
      client.write(bytes);
    });
  });
  return {
    port: await listening(server),
    cut: () => {
      state.isCut = true;
    },
    heal: () => {
      if (state.isCut) for (const socket of sockets) socket.destroy();
      Object.assign(state, { isCut: false, corrupts: false });
    },
    corruptNext: () => {
      state.corrupts = true;
    },
    follow: (targetPort) => {
      state.targetPort = targetPort;
      for (const socket of sockets) socket.destroy();
    },
    close: () => closed(server, sockets),
  };
}

/** What stands between a NATS server and its clients, and knows their messages. */
export interface NatsProxy {
  readonly url: string;
  /** Cuts off the client of that name. */
  cut(clientName: string): void;
  heal(): void;
  /** Turns a bit in the next shard that a node serves; gives whether it has, later. */
  corruptNextShard(): void;
  /** Sends so many of the next messages of all clients twice. */
  duplicateNext(count: number): void;
  /** Messages that were damaged or sent twice so far. */
  readonly disturbed: number;
  close(): Promise<void>;
}

/** Answers with less are of pieces that are not there yet. */
const shardBytesMin = 128;

export async function createNatsProxy(targetPort: number): Promise<NatsProxy> {
  const sockets = new Set<Socket>();
  const cutNames = new Set<string>();
  const state = { corrupts: false, duplicates: 0, disturbed: 0 };
  const disturb = (name: string, frame: NatsFrame): readonly Buffer[] => {
    if (state.corrupts && isShard(name, frame)) {
      Object.assign(state, { corrupts: false, disturbed: state.disturbed + 1 });
      flipBit(frame.bytes, frame.payload.offset + frame.payload.length - 1);
    }
    if (state.duplicates === 0 || !frame.verb.endsWith("PUB")) return [frame.bytes];
    Object.assign(state, { duplicates: state.duplicates - 1, disturbed: state.disturbed + 1 });
    return [frame.bytes, frame.bytes];
  };
  const server = createServer((client) => {
    const target = connect(targetPort, "127.0.0.1");
    pair(sockets, client, target);
    const splitter = new NatsSplitter();
    let name = "";
    client.on("data", (bytes) => {
      for (const frame of splitter.push(bytes)) {
        if (frame.verb === "CONNECT") name = String(JSON.parse(frame.words.join(" ")).name);
        if (cutNames.has(name)) continue;
        for (const sent of disturb(name, frame)) target.write(sent);
      }
    });
    target.on("data", (bytes) => {
      if (!cutNames.has(name)) client.write(bytes);
    });
  });
  const port = await listening(server);
  return {
    url: `nats://127.0.0.1:${port}`,
    cut: (clientName) => cutNames.add(clientName),
    heal: () => {
      if (cutNames.size > 0) for (const socket of sockets) socket.destroy();
      cutNames.clear();
      Object.assign(state, { corrupts: false, duplicates: 0 });
    },
    corruptNextShard: () => {
      state.corrupts = true;
    },
    duplicateNext: (count) => {
      state.duplicates = count;
    },
    get disturbed() {
      return state.disturbed;
    },
    close: () => closed(server, sockets),
  };
}

function isShard(name: string, { verb, words, payload }: NatsFrame): boolean {
  const isAnswer = words[0]?.startsWith("_INBOX.") === true;
  return verb === "PUB" && name.startsWith("node-") && isAnswer && payload.length >= shardBytesMin;
}

function flipBit(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

/** Ends one with the other; what breaks is seen by the two ends themselves. */
function pair(sockets: Set<Socket>, client: Socket, target: Socket): void {
  for (const [socket, other] of [[client, target] as const, [target, client] as const]) {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

async function closed(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  const ended = once(server, "close");
  server.close();
  for (const socket of sockets) socket.destroy();
  await ended;
}
