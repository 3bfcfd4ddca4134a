import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createAuthority, type TestAuthority } from "../mtls/certificate-authority.js";
import type { ApiAnswer, ApiState } from "./api-state.js";

/** What a test does to the connections; what it does to answers is `ApiState.faults`. */
export interface ConnectionFaults {
  /**
   * away: connections are cut. silent: requests are taken, and never answered. deaf: requests are
   * done, and the answer is lost.
   */
  mode: "well" | "away" | "silent" | "deaf";
}

/** An API server on loopback, over HTTPS. */
export interface FakeApiServer {
  /** https://127.0.0.1:port */
  readonly url: string;
  readonly authority: TestAuthority;
  readonly faults: ConnectionFaults;
  /** Cuts every connection, watches too; new ones are taken. */
  cutConnections(): void;
  close(): Promise<void>;
}

export async function startFakeApiServer(state: ApiState): Promise<FakeApiServer> {
  const authority = await createAuthority("CN=Kubernetes test");
  const { certificate, privateKey } = await authority.issue({ names: ["127.0.0.1"] });
  const faults: ConnectionFaults = { mode: "well" };
  const server = createServer({ cert: certificate, key: privateKey }, (request, response) => {
    void answer(state, faults, { request, response });
  });
  server.on("connection", (socket) => {
    if (faults.mode === "away") socket.destroy();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ...{ url: `https://127.0.0.1:${port}`, authority, faults },
    cutConnections: () => server.closeAllConnections(),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer(
  state: ApiState,
  faults: ConnectionFaults,
  { request, response }: Exchange,
): Promise<void> {
  const body = await text(request).catch(() => undefined);
  if (body === undefined || faults.mode === "away") return void request.socket.destroy();
  if (faults.mode === "silent") return;
  const { method = "GET", url: path = "/", headers } = request;
  const answered = state.handle({
    ...{ method, path, body, authorization: headers.authorization },
    contentType: headers["content-type"],
  });
  if (faults.mode === "deaf") return void request.socket.destroy();
  respond(
    response,
    answered,
    Number(new URL(path, "https://kubernetes").searchParams.get("timeoutSeconds")),
  );
}

function respond(response: ServerResponse, answered: ApiAnswer, timeoutS: number): void {
  const { status, headers, body, watch } = answered;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  if (watch === undefined) {
    response.end(JSON.stringify(body));
    return;
  }
  response.flushHeaders();
  const stop = watch(
    (event) => response.write(`${JSON.stringify(event)}\n`),
    () => response.end(),
  );
  const timer = timeoutS > 0 ? setTimeout(() => response.end(), timeoutS * 1000) : undefined;
  response.on("close", () => {
    clearTimeout(timer);
    stop();
  });
}

/** Writes a kubeconfig, and the file of its bearer token, as a service account's is mounted. */
export async function writeKubeconfig(
  folder: string,
  { url, authority }: Pick<FakeApiServer, "url" | "authority">,
  token: string,
  context: { readonly namespace?: string | undefined } = { namespace: "retake" },
): Promise<{ readonly path: string; readonly tokenPath: string }> {
  const path = join(folder, "kubeconfig");
  const tokenPath = join(folder, "token");
  const ca = Buffer.from(authority.certificate).toString("base64");
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "test" },
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": ca } }],
    users: [
      {
        name: "test",
        user: { "auth-provider": { name: "tokenFile", config: { tokenFile: tokenPath } } },
      },
    ],
    contexts: [{ name: "test", context: { cluster: "test", user: "test", ...context } }],
  };
  await writeFile(tokenPath, token);
  await writeFile(path, JSON.stringify(config));
  return { path, tokenPath };
}
