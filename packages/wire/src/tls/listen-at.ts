import type { Server } from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import type { Transport } from "./transport.js";

/**
 * Has a server listen.
 *
 * @param at.address  host:port; port 0 for any that is free
 * @returns           the port
 * @throws RetakeError  `unreachable` where it cannot listen, as where another process does
 */
export function listenAt(
  server: Server,
  { address, transport }: { readonly address: string; readonly transport: Transport },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, transport.serverCredentials(), (error, port) => {
      if (error === null) {
        resolve(port);
        return;
      }
      const message = `${address}: expected to listen there, got ${error.message}`;
      reject(new RetakeError(Code.Unavailable, "unreachable", message, { cause: error }));
    });
  });
}
