import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import type { RetakeError } from "@retake/errors";
import { badMessage } from "../decoders/bad-message.js";

/** Stands for a request whose bytes are no message of its kind, until its handler refuses it. */
class NoMessage {
  readonly error: RetakeError;

  constructor(error: RetakeError) {
    this.error = error;
  }
}

/**
 * A service to serve whose handlers refuse what cannot be decoded, like any other bad message: with
 * an error of ours, which is logged and counted. gRPC itself would answer INTERNAL, which means a
 * bug of the server, and nobody there would hear of it.
 */
export function typedRequests<Definition extends ServiceDefinition>(
  service: Definition,
): Definition {
  const methods = Object.entries(service).map(([name, method]): [string, unknown] => {
    const requestDeserialize = decodeOrRefuse(method.path, method.requestDeserialize);
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods) as Definition;
}

const decodeOrRefuse =
  (path: string, decode: MethodDefinition<unknown, unknown>["requestDeserialize"]) =>
  (bytes: Buffer): unknown => {
    try {
      return decode(bytes);
    } catch (cause) {
      const got = `${bytes.length} bytes of something else (${String(cause)})`;
      return new NoMessage(badMessage(path, { expected: "a message", got }));
    }
  };

/** @throws RetakeError  `bad-message` where the bytes of a request were no message of its kind */
export function assertMessage(request: unknown): void {
  if (request instanceof NoMessage) throw request.error;
}
