import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** As a Service of Kubernetes: a connection goes to who is chosen when it is made, and stays. */
export interface LocalService {
  /** host:port. */
  readonly address: string;
  close(): Promise<void>;
}

/** @param chosen  host:port of the pod that new connections go to */
export async function startService(chosen: () => string): Promise<LocalService> {
  const sockets = new Set<Socket>();
  const server = createServer((incoming) => {
    const [host = "", port = ""] = chosen().split(":");
    const outgoing = connect(Number(port), host);
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => sockets.delete(socket));
      socket.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    address: `127.0.0.1:${port}`,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
