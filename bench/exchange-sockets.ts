/** The bytes of a step's exchange over plain sockets, for `bench:exchange` to compare with. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export interface SocketMemberOptions {
  readonly rank: number;
  readonly vectorLength: number;
  /** Of one write. */
  readonly pieceBytesMax: number;
}

/** A process among others that all read from each other at once. */
export interface SocketMember {
  readonly port: number;
  /**
   * @param ports  of all members, in rank order
   * @returns      seconds until all that is due has been read into the vector
   */
  exchange(ports: readonly number[]): Promise<number>;
  close(): void;
}

const loopback = "127.0.0.1";

/** Serves its vector, as much of it as whoever connects asks for. */
export async function createSocketMember(options: SocketMemberOptions): Promise<SocketMember> {
  const vector = Buffer.alloc(4 * options.vectorLength, 1);
  const server = createServer((socket) => {
    socket.once("data", (asked) => serve(socket, vector, Number(asked), options.pieceBytesMax));
  });
  server.listen(0, loopback);
  await once(server, "listening");
  return {
    port: portOf(server),
    exchange: async (ports) => {
      // A member's part of what its peers have, as partial sums and as reduced shards.
      const bytesDue = Math.floor((2 * vector.length) / ports.length);
      const others = ports.filter((_, rank) => rank !== options.rank);
      const began = performance.now();
      await Promise.all(others.map((port) => read(port, vector, bytesDue)));
      return (performance.now() - began) / 1000;
    },
    close: () => server.close(),
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function serve(socket: Socket, vector: Buffer, bytesDue: number, pieceBytesMax: number): void {
  let sent = 0;
  const send = (): void => {
    while (sent < bytesDue) {
      const at = sent % vector.length;
      const piece = vector.subarray(at, at + Math.min(pieceBytesMax, bytesDue - sent));
      sent += piece.length;
      if (!socket.write(piece)) return void socket.once("drain", send);
    }
    socket.end();
  };
  send();
}

async function read(port: number, vector: Buffer, bytesDue: number): Promise<void> {
  const socket = connect(port, loopback);
  socket.write(String(bytesDue));
  let bytes = 0;
  socket.on("data", (chunk) => {
    const at = bytes % vector.length;
    // What would run over the end is left out.
    vector.set(chunk.subarray(0, vector.length - at), at);
    bytes += chunk.length;
  });
  await once(socket, "close");
  if (bytes !== bytesDue) throw new Error(`sockets: expected ${bytesDue} bytes, got ${bytes}`);
}
