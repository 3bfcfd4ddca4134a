import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type NatsServer, startNatsCluster, startNatsServer } from "@retake/coordinator";
import { natsProgram } from "../e2e/nats-process.js";

/** The NATS servers of a cluster, one or three. */
export interface NatsServers {
  readonly urls: readonly string[];
  readonly ports: readonly number[];
  /** kill -9 of one. */
  kill(index: number): Promise<void>;
  /** Starts those that were killed again, where they were. */
  restart(): Promise<void>;
  /** Sets the bound of a stream to what it holds now; null takes the bound of before again. */
  fill(stream: string): Promise<void>;
  makeRoom(): Promise<void>;
  stop(): Promise<void>;
}

export async function startNatsServers(folder: string, count: 1 | 3): Promise<NatsServers> {
  const programPath = await natsProgram();
  const servers: NatsServer[] =
    count === 1
      ? [await startNatsServer({ programPath, folder })]
      : [...(await startNatsCluster({ programPath, folder, serverCount: count }))];
  const killed = new Set<number>();
  const bounds = new Map<string, number>();
  const urls = servers.map(({ url }) => url);
  return {
    ...{ urls, ports: servers.map(({ port }) => port) },
    kill: async (index) => {
      killed.add(index);
      await servers[index]?.kill();
    },
    restart: async () => {
      for (const index of killed) {
        const restarted = await servers[index]?.restart();
        if (restarted !== undefined) servers[index] = restarted;
      }
      killed.clear();
    },
    fill: async (stream) => {
      await withStreams(urls, async ({ streams }) => {
        const { config, state } = await streams.info(stream);
        bounds.set(stream, config.max_bytes);
        await streams.update(stream, { max_bytes: Math.max(1, state.bytes) });
      });
    },
    makeRoom: async () => {
      await withStreams(urls, async ({ streams }) => {
        for (const [stream, bytes] of bounds) await streams.update(stream, { max_bytes: bytes });
      });
      bounds.clear();
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

type Manager = Awaited<ReturnType<typeof jetstreamManager>>;

async function withStreams(
  servers: readonly string[],
  use: (manager: Manager) => Promise<void>,
): Promise<void> {
  const connection = await connect({ servers: [...servers] });
  try {
    await use(await jetstreamManager(connection));
  } finally {
    await connection.close();
  }
}
