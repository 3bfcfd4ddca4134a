import { createServer, type Server } from "node:http";
import { Code, RetakeError } from "@retake/errors";

/** As `prom-client` has it. */
interface MetricsRegistry {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** What a process tells of itself over plain HTTP. */
export interface AboutProcess {
  readonly registry: MetricsRegistry;
  /** What its gRPC health says, too. */
  readonly isReady: () => boolean;
}

/**
 * Serves `GET /metrics` to Prometheus, and to the kubelet `/livez` (it answers: its event loop
 * turns) and `/readyz` (200, or 503). Not by gRPC, because the kubelet's probes speak no TLS there.
 *
 * @param place  host:port; port 0 takes a free one
 * @throws RetakeError  `unreachable` where it cannot listen
 */
export async function serveMetrics(
  { registry, isReady }: AboutProcess,
  place: string,
): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer(({ method, url }, response) => {
    if (method !== "GET") response.writeHead(404).end();
    else if (url === "/livez") response.writeHead(200).end("ok\n");
    else if (url === "/readyz") {
      if (isReady()) response.writeHead(200).end("ok\n");
      else response.writeHead(503).end("not ready\n");
    } else if (url === "/metrics") {
      registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
        () => response.writeHead(500).end(),
      );
    } else response.writeHead(404).end();
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
