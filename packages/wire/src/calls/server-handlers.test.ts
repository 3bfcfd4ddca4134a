import { credentials, type Server } from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  EditServiceClient,
  EditServiceService,
  type GetRequest,
  type GetResponse,
  type WatchResponse,
} from "../generated/retake/v1/edit.js";
import { listen } from "../testing/loopback.js";
import { clientOptions } from "./channel-options.js";
import { callUnary, readStream } from "./client-calls.js";
import { type CallContext, handleServerStream, handleUnary } from "./server-handlers.js";

describe("handlers", () => {
  let server: Server;
  let client: EditServiceClient;
  const told: RetakeError[] = [];
  const aborted: unknown[] = [];

  async function get({ id }: GetRequest, { signal }: CallContext): Promise<GetResponse> {
    if (id === "bug") throw new TypeError("x is not a function");
    if (id === "wait") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted.push(signal.reason);
    }
    return { edit: undefined, events: [] };
  }

  beforeEach(async () => {
    told.length = 0;
    aborted.length = 0;
    const options = { subject: "get", onError: (error: RetakeError) => told.push(error) };
    const loopback = await listen(EditServiceService, {
      get: handleUnary(get, options),
      watch: handleServerStream<unknown, WatchResponse>(async () => {
        throw new RetakeError(Code.NotFound, "task-unknown", "edit: there is none");
      }, options),
    });
    server = loopback.server;
    client = new EditServiceClient(loopback.address, credentials.createInsecure(), clientOptions);
  });
  afterEach(() => {
    client.close();
    server.forceShutdown();
  });

  it("tell of an error before they answer it, with its cause, which is not sent", async () => {
    const work = callUnary(
      client.get.bind(client),
      { id: "bug", eventsMax: 0 },
      { subject: "trying" },
    );
    const error = await work.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: Code.Internal, reason: "bug" });
    expect(error).not.toHaveProperty("cause");
    expect(told).toMatchObject([{ reason: "bug", cause: expect.any(TypeError) }]);
  });

  it("tell of errors of streams, too", async () => {
    const watch = readStream(client.watch.bind(client), { id: "e" }, { subject: "trying" });
    await expect(watch.next()).rejects.toMatchObject({ reason: "task-unknown" });
    expect(told).toMatchObject([{ reason: "task-unknown" }]);
  });

  it("abort their signal when the caller waits no longer", async () => {
    const settings = { subject: "trying", timeoutMs: 500 };
    const work = callUnary(client.get.bind(client), { id: "wait", eventsMax: 0 }, settings);
    await expect(work).rejects.toMatchObject({ reason: "deadline-passed" });
    // The server's own clock ends the call there, sooner or later than the client's.
    const asking = { subject: "asking" };
    while (aborted.length === 0)
      await callUnary(client.get.bind(client), { id: "", eventsMax: 0 }, asking);
    expect(aborted).toMatchObject([{ reason: "stopped" }]);
  });
});
