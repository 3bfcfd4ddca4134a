import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type RequestOptions, request as requestHttps } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { Code, RetakeError } from "@retake/errors";
import type { KubeRequest, KubeResponse, KubeTransport } from "./transport.js";

/** Where the API server is and who asks, as `kubectl` or a pod finds it. */
export interface KubeAccess {
  readonly transport: KubeTransport;
  /** Of the service account, or of the kubeconfig's context. */
  readonly namespace: string | undefined;
}

/**
 * Finds the API server: by `KUBECONFIG`, else by `~/.kube/config`, else by the service account that
 * is mounted in a pod.
 *
 * The library finds the server and signs in; requests are Node's own, because its `Watch` sets a
 * time limit and overwrites it, and its calls have none.
 *
 * @throws RetakeError  bad-option where nothing names a server, or a file is not what it should be
 */
export function findKubernetes(): KubeAccess {
  const first = loadConfig();
  let config = first;
  return {
    namespace: first.getContextObject(first.getCurrentContext())?.namespace,
    transport: {
      send: (request) => send(config, request),
      // A new one has not read the token yet; the library would keep the old one for a minute.
      renewCredentials: () => {
        config = loadConfig();
      },
    },
  };
}

function loadConfig(): KubeConfig {
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (thrown) {
    throw notFound(thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
  const server = config.getCurrentCluster()?.server;
  if (server?.startsWith("https://") === true) return config;
  throw notFound(`the server ${server ?? "(none)"}`);
}

async function send(
  config: KubeConfig,
  { method, path, contentType, body, signal }: KubeRequest,
): Promise<KubeResponse> {
  const { server } = config.getCurrentCluster() ?? { server: "" };
  const accepts = { accept: "application/json" };
  const sends = contentType === undefined ? {} : { "content-type": contentType };
  const options: RequestOptions = { method, headers: { ...accepts, ...sends }, signal };
  const subject = `${method} ${path}`;
  try {
    await config.applyToHTTPSOptions(options);
    const request = requestHttps(`${server.replace(/\/$/, "")}${path}`, options);
    // Until there is a response, `once` tells of it; after that, the end of the body does.
    request.on("error", () => undefined);
    request.end(body);
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.setEncoding("utf8");
    const retryAfter = Number(response.headers["retry-after"]);
    return {
      status: response.statusCode ?? 0,
      retryAfterS: Number.isFinite(retryAfter) ? retryAfter : undefined,
      body: readBody(response, subject),
    };
  } catch (thrown) {
    throw unavailable(subject, thrown);
  }
}

async function* readBody(response: IncomingMessage, subject: string): AsyncIterable<string> {
  try {
    for await (const piece of response) yield String(piece);
  } catch (thrown) {
    throw unavailable(subject, thrown);
  }
}

function unavailable(subject: string, cause: unknown): RetakeError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `${subject}: expected an answer of the API server, got ${why}; it is tried again`;
  return new RetakeError(Code.Unavailable, "kubernetes-unavailable", message, { cause });
}

function notFound(got: string, cause?: unknown): RetakeError {
  const message =
    `--kubernetes: expected an API server at https://, got ${got}; set KUBECONFIG, or mount the ` +
    "service account's token";
  return new RetakeError(Code.InvalidArgument, "bad-option", message, { cause });
}
