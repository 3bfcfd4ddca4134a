import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { serverOptions } from "../calls/channel-options.js";
import { typedRequests } from "../calls/typed-requests.js";

export interface Loopback {
  readonly address: string;
  readonly server: Server;
}

/** A server on a free port of this machine; the test shuts it down. */
export async function listen(
  service: ServiceDefinition,
  handlers: UntypedServiceImplementation,
): Promise<Loopback> {
  const server = new Server(serverOptions);
  server.addService(typedRequests(service), handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, server };
}
