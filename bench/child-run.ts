import { spawn } from "node:child_process";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";
import { watchOthers } from "./machine.js";
import { type PeakMemory, watchPeak } from "./process-memory.js";

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Watches the memory; it slows the process a little, so leave it out where time counts. */
  readonly memoryEveryMs?: number;
}

export interface ChildResult {
  /** The last line of its output that is an object. */
  readonly json: JsonObject;
  readonly output: string;
  readonly wallSeconds: number;
  /** What other processes took of all CPUs while it ran. */
  readonly othersShare: number;
  readonly memory: PeakMemory | undefined;
}

const shownErrorChars = 2000;

/**
 * Runs a process of its own and reads what it measured.
 *
 * @throws Error  with the end of what it said, if it fails or prints no object
 */
export async function runForJson(
  [program = "", ...args]: readonly string[],
  options: ChildOptions = {},
): Promise<ChildResult> {
  const others = watchOthers();
  const began = performance.now();
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const endChild = (): void => void child.kill();
  process.once("exit", endChild);
  const intervalMs = options.memoryEveryMs;
  const stopWatch =
    intervalMs === undefined || child.pid === undefined
      ? undefined
      : watchPeak(child.pid, { intervalMs });
  const [output, complaints] = [textOf(child.stdout), textOf(child.stderr)];
  const code = await new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => resolve(exitCode ?? signal ?? "nothing"));
  });
  const wallSeconds = (performance.now() - began) / 1000;
  process.off("exit", endChild);
  const memory = await stopWatch?.();
  const json = lastObject(await output);
  if (code !== 0 || json === undefined) {
    const said = (await complaints).slice(-shownErrorChars);
    throw new Error(`${program} ${args[0] ?? ""} ended with ${code}: ${said}`);
  }
  return { json, output: await output, wallSeconds, othersShare: others(), memory };
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function lastObject(output: string): JsonObject | undefined {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  const last = lines.at(-1);
  return last === undefined ? undefined : jsonObject(JSON.parse(last));
}

/** The smallest of what several runs measured. */
export function smallest(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}
