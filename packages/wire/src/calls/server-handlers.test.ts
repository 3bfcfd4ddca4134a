import { credentials, type Server } from "@grpc/grpc-js";
import { Code, RetakeError } from "@retake/errors";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errorOfStatus } from "../failures/grpc-failure.js";
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

  it("refuse bytes that are no message, which no handler sees", async () => {
    // A length beyond the end, and a count of events that no number of ours holds.
    const noMessages = [Buffer.of(0x0a, 0x7f, 0x61), Buffer.from("10" + "ff".repeat(10), "hex")];
    for (const bytes of noMessages) {
      for (const method of ["get", "watch"] as const) {
        const { path } = EditServiceService[method];
        const raw = (): Buffer => bytes;
        const call = client.makeServerStreamRequest(path, raw, (answer) => answer, {});
        const failed = new Promise((_, reject) => {
          call.on("error", reject);
          call.resume();
        });
        const error = errorOfStatus(await failed.catch((thrown: unknown) => thrown), "trying");
        expect(error).toMatchObject({ code: Code.InvalidArgument, reason: "bad-message" });
        expect(error.message).toContain(path);
      }
    }
    expect(told.map(({ reason }) => reason)).toEqual(Array(4).fill("bad-message"));
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
