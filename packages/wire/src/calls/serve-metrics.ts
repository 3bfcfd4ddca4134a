import { createServer, type Server } from "node:http";
import { Code, RetakeError } from "@retake/errors";

/** As `prom-client` has it. */
interface MetricsRegistry {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/**
 * Serves `GET /metrics` to Prometheus.
 *
 * @param place  host:port; port 0 takes a free one
 * @throws RetakeError  `unreachable` where it cannot listen
 */
export async function serveMetrics(
  registry: MetricsRegistry,
  place: string,
): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  const host = place.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  const port = Number(place.slice(place.lastIndexOf(":") + 1));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (thrown) => {
      const message = `metrics at ${place}: expected to listen there, got ${thrown.message}`;
      reject(new RetakeError(Code.Unavailable, "unreachable", message, { cause: thrown }));
    });
    server.listen({ host, port }, resolve);
  });
  const bound = server.address();
  const boundPort = typeof bound === "object" && bound !== null ? bound.port : port;
  return { server, address: place.replace(/:\d+$/, `:${boundPort}`) };
}
