/** One end of `bench:bulk`: serves bytes, or takes them, by gRPC and by plain sockets. */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import {
  ChunkReceiver,
  chunkBytes,
  chunksOf,
  clientOptions,
  handleServerStream,
  readStream,
  type StreamContext,
  serverOptions,
} from "@retake/wire";
import {
  ArtifactServiceClient,
  ArtifactServiceService,
  type PullRequest,
  type PullResponse,
} from "@retake/wire/artifact";
import { prepareMemory } from "@retake/wire/memory";
import { createSocketMember } from "./exchange-sockets.js";
import { memoryOf } from "./process-memory.js";

const { values } = parseArgs({
  options: { bytes: { type: "string", default: "" }, from: { type: "string" } },
});
const bytesDue = Number(values.bytes);
// As the services do.
prepareMemory();
const say = (told: object): void => void process.stdout.write(`${JSON.stringify(told)}\n`);

/** Serves one vector to whoever asks, until its input ends. */
async function serve(): Promise<void> {
  const vector = Buffer.alloc(bytesDue, 1);
  const server = new Server(serverOptions);
  server.addService(ArtifactServiceService, {
    pull: handleServerStream(
      async (_: PullRequest, { send }: StreamContext<PullResponse>) => {
        for (const chunk of chunksOf(vector)) await send({ chunk });
      },
      { subject: "pull" },
    ),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const sockets = await createSocketMember({
    ...{ rank: 0, vectorLength: bytesDue / 4, pieceBytesMax: chunkBytes },
  });
  say({ port, socketPort: sockets.port });
  for await (const _ of createInterface({ input: process.stdin }))
    say({ rss: memoryOf(process.pid).rss });
  server.forceShutdown();
  sockets.close();
}

/** Takes the vector once for each line of its input: `grpc` or `sockets`. */
async function take([port = 0, socketPort = 0]: readonly number[]): Promise<void> {
  const client = new ArtifactServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    clientOptions,
  );
  const vector = Buffer.alloc(bytesDue);
  const sockets = await createSocketMember({
    ...{ rank: 1, vectorLength: bytesDue / 4, pieceBytesMax: chunkBytes },
  });
  const pulled = async (): Promise<number> => {
    const began = performance.now();
    const receiver = new ChunkReceiver({ subject: "bulk", bytesMax: bytesDue });
    const request = { artifactId: "", offsetBytes: 0 };
    const answers = readStream(client.pull.bind(client), request, { subject: "bulk" });
    for await (const { chunk } of answers) {
      const at = receiver.receivedBytes;
      vector.set(receiver.take(chunk), at);
    }
    receiver.finish();
    return (performance.now() - began) / 1000;
  };
  say({});
  for await (const line of createInterface({ input: process.stdin })) {
    const seconds =
      line === "grpc" ? await pulled() : await sockets.exchange([socketPort, sockets.port]);
    say({ seconds, rss: memoryOf(process.pid).rss });
  }
  client.close();
  sockets.close();
}

await (values.from === undefined ? serve() : take(values.from.split(",").map(Number)));
