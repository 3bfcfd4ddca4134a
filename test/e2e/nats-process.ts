import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { repository } from "./repository.js";

/** A nats-server of its own, without JetStream, on ports that were free. */
export interface NatsProcess {
  readonly url: string;
  /** Where it tells its counters. */
  readonly monitorUrl: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface NatsProcessOptions {
  /** Default: any that is free. */
  readonly port?: number;
}

/** The path of a nats-server, which the first test that needs one installs. */
export async function natsProgram(): Promise<string> {
  const finder = ["scripts/nats-server.mjs"];
  const found = await promisify(execFile)(process.execPath, finder, { cwd: repository });
  return found.stdout.trim().split("\n").at(-1) ?? "";
}

/** Starts a server; it is ready for connections. */
export async function startNats({ port = -1 }: NatsProcessOptions = {}): Promise<NatsProcess> {
  const program = await natsProgram();
  const child = spawn(program, ["-a", "127.0.0.1", "-p", String(port), "-m", "-1"], {
    stdio: ["ignore", "ignore", "pipe"],
    // As the coordinator starts one.
    env: { GOGC: "400", ...process.env },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  const ports: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    const listening = /(?:client connections|http monitor) on \S*:(\d+)/.exec(line)?.[1];
    if (listening !== undefined) ports.push(listening);
    if (line.includes("Server is ready")) break;
  }
  child.stderr.resume();
  const [monitorPort, clientPort] = ports;
  if (clientPort === undefined) throw new Error(`${program} ended before it was ready`);
  return {
    url: `nats://127.0.0.1:${clientPort}`,
    monitorUrl: `http://127.0.0.1:${monitorPort}`,
    pid: child.pid ?? 0,
    stop: async () => {
      process.off("exit", kill);
      child.kill();
      await ended;
    },
  };
}
