import { once } from "node:events";
import { createServer, type Server as TcpServer } from "node:net";
import { credentials, Metadata, type Server } from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  DownloadResponse,
  EditServiceClient,
  EditServiceService,
  type GetRequest,
  type GetResponse,
  type UploadRequest,
  type UploadResponse,
} from "../generated/retake/v1/edit.js";
import {
  NodeServiceClient,
  NodeServiceService,
  type TuneRequest,
  type TuneResponse,
  TuneStart,
} from "../generated/retake/v1/node.js";
import { listen } from "../testing/loopback.js";
import { clientOptions } from "./channel-options.js";
import { callUnary, openBidi, readStream, sendStream } from "./client-calls.js";
import {
  handleBidi,
  handleClientStream,
  handleServerStream,
  handleUnary,
  type StreamContext,
} from "./server-handlers.js";

const subject = "trying";
const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
const refusal = new RetakeError(Code.FailedPrecondition, "lease-lost", "node a: its lease is over");
const part = (offset: number, bytes = 0): DownloadResponse =>
  DownloadResponse.fromPartial({ offset, data: Buffer.alloc(bytes) });

describe("calls to an EditService", () => {
  let server: Server;
  let client: EditServiceClient;
  let sent = 0;
  let ended: Promise<unknown>;
  let onEnded: (reason: unknown) => void = () => {};
  const seen: string[] = [];

  /** Answers what the id asks for. */
  async function download(id: string, stream: StreamContext<DownloadResponse>): Promise<void> {
    if (id === "none") throw refusal;
    for (sent = 0; id === "endless" || sent < 3; sent += 1) {
      await stream.send(part(sent, id === "endless" ? 64 * 1024 : 0)).catch((thrown: unknown) => {
        onEnded(thrown);
        throw thrown;
      });
    }
    if (id === "broken") throw refusal;
  }

  async function receive(requests: AsyncIterable<UploadRequest>): Promise<UploadResponse> {
    let artifactId = "";
    for await (const request of requests) {
      if (request.artifactId === "refused") throw refusal;
      artifactId += request.artifactId;
    }
    return { artifactId };
  }

  beforeEach(async () => {
    ended = new Promise((resolve) => {
      onEnded = resolve;
    });
    seen.length = 0;
    const loopback = await listen(EditServiceService, {
      get: handleUnary(
        async (request: GetRequest, { signal, metadata, peer }): Promise<GetResponse> => {
          seen.push(String(metadata.get("authorization")[0] ?? ""), peer);
          if (request.id === "none") throw refusal;
          if (request.id === "never") return never(signal);
          return { edit: undefined, events: [] };
        },
        { subject: "get" },
      ),
      download: handleServerStream(
        (request: { id: string }, stream: StreamContext<DownloadResponse>) =>
          download(request.id, stream),
        { subject: "download" },
      ),
      upload: handleClientStream(receive, { subject: "upload" }),
    });
    server = loopback.server;
    client = new EditServiceClient(loopback.address, credentials.createInsecure(), clientOptions);
  });
  afterEach(() => {
    client.close();
    server.forceShutdown();
  });

  const get = (id: string, more: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
    callUnary(client.get.bind(client), { id, eventsMax: 0 }, { subject, ...more });
  const downloaded = async (id: string, offsets: number[], signal?: AbortSignal): Promise<void> => {
    const request = { id, what: undefined, offset: 0 };
    const settings = { subject, signal };
    for await (const answer of readStream(client.download.bind(client), request, settings)) {
      offsets.push(answer.offset);
    }
  };
  const upload = (ids: Iterable<string> | AsyncIterable<string>) => {
    async function* requests(): AsyncGenerator<UploadRequest> {
      for await (const artifactId of ids) {
        const empty = Buffer.alloc(0);
        yield { artifactId, sizeBytes: 0, offsetBytes: 0, data: empty, dataSha256: empty };
      }
    }
    return sendStream(client.upload.bind(client), requests(), { subject });
  };

  describe("callUnary", () => {
    it("gives the answer, and carries metadata", async () => {
      const metadata = new Metadata();
      metadata.set("authorization", "Bearer t");
      const answer = callUnary(
        client.get.bind(client),
        { id: "e", eventsMax: 0 },
        { subject, metadata },
      );
      expect(await answer).toEqual({ edit: undefined, events: [] });
      expect(seen).toEqual(["Bearer t", expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    });

    it("throws the server's own error", async () => {
      const { message } = refusal;
      await expect(get("none")).rejects.toMatchObject({ reason: "lease-lost", message });
    });

    it("ends at its deadline", async () => {
      const work = get("never", { timeoutMs: 30 });
      await expect(work).rejects.toMatchObject({ reason: "deadline-passed" });
    });

    it("is stopped by its signal, before and while it waits", async () => {
      const stop = new AbortController();
      const work = get("never", { signal: stop.signal });
      stop.abort("enough");
      await expect(work).rejects.toMatchObject({ reason: "stopped", cause: "enough" });
      const late = get("e", { signal: stop.signal });
      await expect(late).rejects.toMatchObject({ reason: "stopped" });
    });

    it("says that a method is not there", async () => {
      const work = callUnary(client.retry.bind(client), { id: "", requestId: "" }, { subject });
      await expect(work).rejects.toMatchObject({ reason: "not-supported" });
    });
  });

  describe("readStream", () => {
    it("gives every answer in order", async () => {
      const offsets: number[] = [];
      await downloaded("three", offsets);
      expect(offsets).toEqual([0, 1, 2]);
    });

    it("gives what came before an error, then throws it", async () => {
      const offsets: number[] = [];
      await expect(downloaded("broken", offsets)).rejects.toMatchObject({ reason: "lease-lost" });
      expect(offsets).toEqual([0, 1, 2]);
      await expect(downloaded("none", [])).rejects.toMatchObject({ reason: "lease-lost" });
    });

    it("ends the call when its loop is left", async () => {
      const request = { id: "endless", what: undefined, offset: 0 };
      for await (const answer of readStream(client.download.bind(client), request, { subject })) {
        if (answer.offset === 2) break;
      }
      expect(await ended).toMatchObject({ reason: "stopped" });
    });

    it("lets the server wait while the reader does", async () => {
      const request = { id: "endless", what: undefined, offset: 0 };
      const answers = readStream(client.download.bind(client), request, { subject });
      await answers.next();
      // Everything in flight settles: another call goes round trip after round trip meanwhile.
      let before = -1;
      for (let rounds = 0; before !== sent && rounds < 1000; rounds += 1) {
        before = sent;
        for (let i = 0; i < 20; i += 1) await get("e");
      }
      expect(before).toBe(sent);
      // The client's window of 8 MiB, and what either end may queue.
      expect(sent).toBeLessThan(2 * 128 + 100);
      await answers.return();
    });

    it("is stopped by its signal", async () => {
      const stop = new AbortController();
      const work = downloaded("endless", [], stop.signal);
      stop.abort();
      await expect(work).rejects.toMatchObject({ reason: "stopped" });
    });
  });

  describe("sendStream", () => {
    it("sends every message for one answer", async () => {
      expect(await upload(["a", "b", "c"])).toEqual({ artifactId: "abc" });
      expect(await upload([])).toEqual({ artifactId: "" });
    });

    it("throws the server's error, and sends no more", async () => {
      let given = 0;
      function* endless(): Generator<string> {
        for (; ; given += 1) yield given === 1 ? "refused" : "x".repeat(10_000);
      }
      await expect(upload(endless())).rejects.toMatchObject({ reason: "lease-lost" });
    });

    it("ends the call when the messages cannot be made", async () => {
      const broken = new Error("no more");
      async function* some(): AsyncGenerator<string> {
        yield "a";
        throw broken;
      }
      await expect(upload(some())).rejects.toBe(broken);
    });
  });
});

describe("openBidi", () => {
  let server: Server;
  let client: NodeServiceClient;
  const warning = (value: string): TuneResponse => ({
    event: { $case: "report", value: { report: { $case: "warning", value } } },
  });
  const saying = (text: string): TuneRequest => ({
    request: { $case: "start", value: TuneStart.fromPartial({ sourcePrompt: text }) },
  });
  const textOf = ({ event }: TuneResponse): string =>
    event?.$case === "report" && event.value.report?.$case === "warning"
      ? event.value.report.value
      : "";

  /** Says after every request what was said so far; ends itself at "end". */
  async function echo(
    requests: AsyncIterable<TuneRequest>,
    stream: StreamContext<TuneResponse>,
  ): Promise<void> {
    for await (const { request } of requests) {
      if (request?.$case !== "start") throw refusal;
      if (request.value.sourcePrompt === "end") break;
      await stream.send(warning(request.value.sourcePrompt));
    }
    await stream.send(warning("bye"));
  }

  beforeEach(async () => {
    const tune = handleBidi(echo, { subject: "tune" });
    const loopback = await listen(NodeServiceService, { tune });
    server = loopback.server;
    client = new NodeServiceClient(loopback.address, credentials.createInsecure(), clientOptions);
  });
  afterEach(() => {
    client.close();
    server.forceShutdown();
  });
  const open = (signal?: AbortSignal) => openBidi(client.tune.bind(client), { subject, signal });

  it.each(["client", "server"])("talks both ways until the %s ends it", async (who) => {
    const call = open();
    const texts: string[] = [];
    await call.send(saying("0"));
    for await (const response of call.responses) {
      texts.push(textOf(response));
      if (texts.length < 4) await call.send(saying(String(texts.length)));
      else if (who === "client") call.end();
      else if (texts.length === 4) await call.send(saying("end"));
    }
    expect(texts).toEqual(["0", "1", "2", "3", "bye"]);
  });

  it("throws the server's error, and takes no more messages", async () => {
    const call = open();
    await call.send({ request: undefined });
    const first = call.responses[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ reason: "lease-lost" });
    await expect(call.send(saying("late"))).rejects.toMatchObject({ reason: "stopped" });
  });

  it("is stopped by its signal", async () => {
    const stop = new AbortController();
    const call = open(stop.signal);
    await call.send(saying("0"));
    const read = async (): Promise<void> => {
      for await (const response of call.responses) if (textOf(response) === "0") stop.abort();
    };
    await expect(read()).rejects.toMatchObject({ reason: "stopped" });
  });

  it("is ended by its caller, whether or not anybody reads it yet", async () => {
    const call = open();
    call.cancel();
    const first = call.responses[Symbol.asyncIterator]().next();
    await expect(first).rejects.toMatchObject({ reason: "stopped" });
    await expect(call.send(saying("late"))).rejects.toMatchObject({ reason: "stopped" });
  });

  it("says that a server which goes away is out of reach", async () => {
    const call = open();
    await call.send(saying("0"));
    const read = async (): Promise<void> => {
      for await (const _ of call.responses) server.forceShutdown();
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Unavailable });
  });
});

describe("a server that is none", () => {
  let tcp: TcpServer;
  beforeEach(async () => {
    tcp = createServer((socket) => {
      socket.on("error", () => undefined).end("HTTP/1.1 200 OK\r\n\r\n");
    }).listen(0, "127.0.0.1");
    await once(tcp, "listening");
  });
  afterEach(() => void tcp.close());

  it.each(["answers something else", "is not there"])("%s: out of reach", async (which) => {
    const address = tcp.address();
    const open = typeof address === "object" && address !== null ? address.port : 0;
    const port = which === "is not there" ? 1 : open;
    const options = { ...clientOptions };
    const client = new EditServiceClient(
      `127.0.0.1:${port}`,
      credentials.createInsecure(),
      options,
    );
    const work = callUnary(
      client.get.bind(client),
      { id: "e", eventsMax: 0 },
      { subject, timeoutMs: 1000 },
    );
    await expect(work).rejects.toMatchObject({ code: Code.Unavailable, reason: "unreachable" });
    client.close();
  });
});
