import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { armFaultPoints, Code, fromUnknown, RetakeError } from "@retake/errors";
import { prepareMemory } from "@retake/wire/memory";
import { pino } from "pino";
import { createGpuNode, type GpuNodeOptions } from "./rpc/gpu-node.js";
import { type EngineName, engineNames } from "./runtime/engine.js";

const usage = `node services/gpu-node/dist/main.js [options]
  --coordinator HOST:PORT  whose cluster to join; again for each coordinator of it. All addresses
                           of a name are tried in turn, until one of them leads
  --node-id NAME           in that cluster; a node that comes back keeps it
  --model PATH|ID          a checkpoint to serve; again for more
  --cache DIR              for artifacts, compiled programs and converted weights
  --engine NAME            one of ${engineNames.join(", ")}
  --threads N              of a pass (default one a core)
  --memory GB              what a pass may take, 10^9 bytes each: on a GPU, what that has; where
                           nodes share a machine, the part of each (default all that there is)
  --listen HOST:PORT       where coordinator and nodes call (default 127.0.0.1:0, a free port)
  --advertise HOST:PORT    how they reach it, where that is another address
  --token-file FILE        the token of the tenant "cluster", where the coordinator asks for one;
                           without --tls, nobody gives this node tasks who does not show it
  --tls DIR                ca.crt, tls.crt, tls.key of node.retake (README.md): calls and NATS are
                           encrypted, only coordinators may give tasks and only nodes ask as peers;
                           changed files are taken up within 10 s. Without: in a trusted network
  --metrics HOST:PORT      where Prometheus asks for /metrics, and Kubernetes for /livez, /readyz`;

/** Runs a node until it is told to end: SIGTERM lets it hand over its work first. */
async function main(args: readonly string[]): Promise<void> {
  const logger = pino({ base: { pid: process.pid } });
  try {
    armFaultPoints(process.env["RETAKE_FAULT_POINTS"], process);
    if (args.includes("--help")) {
      process.stdout.write(`${usage}\n`);
      return;
    }
    prepareMemory();
    const { tokenFile, ...options } = optionsOf(args);
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, "utf8")).trim();
    const node = await createGpuNode({ ...options, token, logger });
    process.once("SIGTERM", () => void node.drain());
    process.once("SIGINT", () => void node.close());
    const { nodeId, address, numericsId } = node;
    logger.info({ nodeId, address, numericsId }, "listening");
    await Promise.race([node.joined, node.closed]).catch(async (thrown: unknown) => {
      await node.close();
      throw thrown;
    });
    await node.closed;
  } catch (thrown) {
    const { code, reason, message } = fromUnknown(thrown, "gpu-node");
    logger.fatal({ code, reason }, message);
    process.exitCode = 1;
  }
}

function optionsOf(
  args: readonly string[],
): Omit<GpuNodeOptions, "logger"> & { readonly tokenFile: string | undefined } {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      coordinator: { type: "string", multiple: true },
      ...{ "node-id": text, engine: text, threads: text, memory: text },
      ...{
        listen: text,
        advertise: text,
        cache: text,
        "token-file": text,
        tls: text,
        metrics: text,
        model: { type: "string", multiple: true },
      },
    },
  });
  return {
    coordinators: given(values.coordinator, "--coordinator"),
    nodeId: given(values["node-id"], "--node-id"),
    models: given(values.model, "--model"),
    engine: values.engine === undefined ? undefined : decodeEngine(values.engine),
    threads: values.threads === undefined ? undefined : decodeThreads(values.threads),
    memoryBytes: values.memory === undefined ? undefined : decodeMemory(values.memory),
    ...{ listen: values.listen, advertise: values.advertise, metricsListen: values.metrics },
    cacheDir: given(values.cache, "--cache"),
    ...{ tokenFile: values["token-file"], tlsFolder: values.tls },
  };
}

function given<Value>(value: Value | undefined, flag: string): Value {
  if (value !== undefined) return value;
  throw badOption(`${flag}: expected it to be given, got nothing`);
}

function decodeEngine(text: string): EngineName {
  const found = engineNames.find((name) => name === text);
  if (found !== undefined) return found;
  throw badOption(`--engine: expected one of ${engineNames.join(", ")}, got ${text}`);
}

function decodeThreads(text: string): number {
  const threads = Number(text);
  if (/^\d{1,4}$/.test(text) && threads >= 1 && threads <= 1024) return threads;
  throw badOption(`--threads: expected 1 to 1024, got ${text}`);
}

/** Gigabytes, in bytes. */
function decodeMemory(text: string): number {
  const bytes = Math.floor(Number(text) * 1e9);
  if (/^\d{1,6}(\.\d{1,9})?$/.test(text) && bytes > 0) return bytes;
  throw badOption(`--memory: expected gigabytes, such as 7.5, got ${text}`);
}

function badOption(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}

await main(process.argv.slice(2));
