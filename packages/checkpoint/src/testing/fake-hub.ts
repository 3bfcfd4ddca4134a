import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join, relative } from "node:path";
import { onTestFinished } from "vitest";

/** What the fake does wrong; tests change it while it runs. */
export interface HubFaults {
  /** Status of every request for the model's description. */
  modelStatus?: number;
  /** Status of every request for a file's content. */
  fileStatus?: number;
  /** Breaks the connection after so many bytes of a file, so many times. */
  breakAfterBytes?: number;
  breaksLeft?: number;
  /** Listed with the hash of other content. */
  wrongHashOf?: string;
  /** Sends files from their start, whatever range is asked for. */
  ignoresRange?: boolean;
}

export interface FakeHub {
  readonly url: string;
  readonly faults: HubFaults;
  /** `GET path range` of every request for a file, in order. */
  readonly requests: string[];
  /** Tokens that came with requests. */
  readonly tokens: Set<string>;
}

export const fakeCommit = "c".repeat(40);
/** Files of at least this size are listed as large ones, with a SHA-256. */
const largeBytes = 200;

/** The Hugging Face hub's answers for one model, on this machine: the files of `folder`. */
export async function startFakeHub(folder: string, id = "owner/name"): Promise<FakeHub> {
  const faults: HubFaults = {};
  const requests: string[] = [];
  const tokens = new Set<string>();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? "", "http://x");
    const token = request.headers.authorization;
    if (token !== undefined) tokens.add(token);
    if (pathname.startsWith(`/api/models/${id}/revision/`)) {
      if (faults.modelStatus !== undefined) return sendStatus(response, faults.modelStatus);
      return sendJson(response, { _id: "1", id, sha: fakeCommit, lastModified: "2024-01-01" });
    }
    if (pathname === `/api/models/${id}/tree/${fakeCommit}`) {
      return sendJson(response, await listing(folder, faults));
    }
    const prefix = `/${id}/resolve/${fakeCommit}/`;
    if (!pathname.startsWith(prefix)) return sendStatus(response, 404);
    const path = pathname.slice(prefix.length);
    requests.push(`${path} ${request.headers.range ?? ""}`);
    if (faults.fileStatus !== undefined) return sendStatus(response, faults.fileStatus);
    sendFile(await readFile(join(folder, path)), { request, response, faults });
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return { url: `http://127.0.0.1:${port}`, faults, requests, tokens };
}

function sendStatus(response: ServerResponse, status: number): void {
  response.writeHead(status, { "content-type": "application/json" }).end('{"error":"no"}');
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

async function listing(folder: string, faults: HubFaults): Promise<readonly unknown[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async (entry) => {
      const full = join(entry.parentPath, entry.name);
      const path = relative(folder, full);
      const content = path === faults.wrongHashOf ? Buffer.from("other") : await readFile(full);
      const { size } = { size: (await readFile(full)).byteLength };
      const header = `blob ${content.byteLength}\0`;
      const oid = createHash("sha1").update(header).update(content).digest("hex");
      const sha256 = createHash("sha256").update(content).digest("hex");
      const lfs = size >= largeBytes ? { lfs: { oid: sha256, size, pointerSize: 130 } } : {};
      return { type: "file", path, size, oid, ...lfs };
    }),
  );
}

function sendFile(
  content: Buffer,
  to: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly faults: HubFaults;
  },
): void {
  const { request, response, faults } = to;
  const asked = /^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? "0";
  const start = faults.ignoresRange ? 0 : Number(asked);
  const body = content.subarray(start);
  const headers = { "content-length": body.byteLength, etag: '"x"' };
  const range = `bytes ${start}-${content.byteLength - 1}/${content.byteLength}`;
  if (faults.ignoresRange) response.writeHead(200, headers);
  else response.writeHead(206, { ...headers, "content-range": range });
  const { breakAfterBytes, breaksLeft = 0 } = faults;
  if (breakAfterBytes === undefined || breaksLeft === 0 || body.byteLength <= breakAfterBytes) {
    response.end(body);
    return;
  }
  faults.breaksLeft = breaksLeft - 1;
  response.write(body.subarray(0, breakAfterBytes), () => response.destroy());
}
