import { type NatsServer, startNatsCluster, startNatsServer } from "@retake/coordinator";

/** The certificates of the servers, and one by which they are asked whether they answer. */
export type LocalNatsTls = NonNullable<Parameters<typeof startNatsServer>[0]["tls"]>;

export interface LocalNatsOptions {
  readonly programPath: string;
  readonly folder: string;
  readonly serverCount: 1 | 3;
  readonly tls?: LocalNatsTls | undefined;
  readonly onRestart: (reason: string) => void;
}

/** The NATS servers of a cluster on this machine; one that dies is started again. */
export interface LocalNats {
  readonly urls: readonly string[];
  /** Takes up changed certificates. */
  reload(): void;
  stop(): Promise<void>;
}

/** @throws RetakeError  `nats-server-failed` */
export async function startLocalNats(options: LocalNatsOptions): Promise<LocalNats> {
  const { serverCount, onRestart } = options;
  const started =
    serverCount === 1 ? [await startNatsServer(options)] : await startNatsCluster(options);
  const servers: NatsServer[] = [...started];
  let isStopping = false;
  const keepRunning = async (index: number): Promise<void> => {
    for (let server = servers[index]; server !== undefined; server = servers[index]) {
      await server.ended;
      if (isStopping) return;
      onRestart(`nats-server at ${server.url} has ended; it is started again`);
      const next = await server.restart();
      servers[index] = next;
      if (isStopping) await next.stop();
    }
  };
  const running = servers.map((_, index) =>
    keepRunning(index).catch((thrown: unknown) => onRestart(`nats-server: ${String(thrown)}`)),
  );
  return {
    urls: servers.map(({ url }) => url),
    reload: () => {
      for (const server of servers) server.reload();
    },
    stop: async () => {
      isStopping = true;
      await Promise.all(servers.map((server) => server.stop()));
      await Promise.all(running);
    },
  };
}
