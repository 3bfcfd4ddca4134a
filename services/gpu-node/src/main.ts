import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { armFaultPoints, Code, fromUnknown, RetakeError } from "@retake/errors";
import { pino } from "pino";
import { createGpuNode, type GpuNodeOptions } from "./rpc/gpu-node.js";
import { type EngineName, engineNames } from "./runtime/engine.js";

/** Runs a node until it is told to end: SIGTERM lets it hand over its work first. */
async function main(args: readonly string[]): Promise<void> {
  const logger = pino({ base: { pid: process.pid } });
  try {
    armFaultPoints(process.env["RETAKE_FAULT_POINTS"], process);
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
      ...{ coordinator: text, "node-id": text, engine: text, threads: text, listen: text },
      ...{
        advertise: text,
        cache: text,
        "token-file": text,
        metrics: text,
        model: { type: "string", multiple: true },
      },
    },
  });
  return {
    coordinator: given(values.coordinator, "--coordinator"),
    nodeId: given(values["node-id"], "--node-id"),
    models: given(values.model, "--model"),
    engine: values.engine === undefined ? undefined : decodeEngine(values.engine),
    threads: values.threads === undefined ? undefined : decodeThreads(values.threads),
    ...{ listen: values.listen, advertise: values.advertise, metricsListen: values.metrics },
    cacheDir: given(values.cache, "--cache"),
    tokenFile: values["token-file"],
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

function badOption(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}

await main(process.argv.slice(2));
