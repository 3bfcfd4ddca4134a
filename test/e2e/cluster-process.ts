import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type ProcessEnd, program, retake, tinyModel, type Workplace } from "./retake-process.js";

/** A cluster of real processes, as `retake up` runs it. */
export interface RunningCluster {
  readonly folder: string;
  /** Runs a command against it. */
  readonly ask: (args: readonly string[]) => Promise<ProcessEnd>;
  /** kill -9 of the process that has the name now. */
  readonly kill: (name: string) => Promise<void>;
  /** Ctrl-C; gives how it ended. */
  readonly stop: () => Promise<number | null>;
}

export async function startCluster(
  workplace: Workplace,
  {
    nodeCount,
    leaseMs,
    model = tinyModel,
    tlsFolder,
  }: {
    readonly nodeCount: number;
    readonly leaseMs: number;
    readonly model?: string;
    /** With certificates for each role, in a folder of its name. */
    readonly tlsFolder?: string;
  },
): Promise<RunningCluster> {
  const folder = join(workplace.path, "cluster");
  const args = [
    ...["up", "--nodes", `${nodeCount}`, "--threads", "1", "--model", model, "--json"],
    ...["--dir", folder, "--lease-ms", `${leaseMs}`],
    ...(tlsFolder === undefined ? [] : ["--tls", tlsFolder]),
  ];
  const env = { ...process.env, RETAKE_CACHE: workplace.cacheDir };
  const child = spawn(process.execPath, [program, ...args], {
    ...{ env, stdio: ["ignore", "pipe", "pipe"] },
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  await firstLine(child);
  const tlsArgs = tlsFolder === undefined ? [] : ["--tls", join(tlsFolder, "client")];
  const kill = async (name: string): Promise<void> => {
    process.kill(await pidOf(folder, name), "SIGKILL");
  };
  const stop = async (): Promise<number | null> => {
    child.kill("SIGINT");
    return ended;
  };
  return {
    ...{ folder, kill, stop },
    ask: (asked) => retake(workplace, [...asked, "--dir", folder, ...tlsArgs]),
  };
}

function firstLine(child: ChildProcess): Promise<string> {
  let said = "";
  child.stderr?.on("data", (bytes: Buffer) => (said += bytes.toString()));
  return new Promise((resolve, reject) => {
    if (child.stdout !== null) createInterface(child.stdout).once("line", resolve);
    child.once("close", (code) => reject(new Error(`retake up ended with ${code}: ${said}`)));
  });
}

/** The log says who has the name now: what died was started again. */
async function pidOf(folder: string, name: string): Promise<number> {
  const lines = (await readFile(join(folder, `${name}.log`), "utf8")).split("\n");
  const last = lines.findLast((line) => line.includes('"msg":"listening"')) ?? "{}";
  const { pid }: { pid?: number } = JSON.parse(last);
  if (pid === undefined) throw new Error(`${name} has not said that it listens`);
  return pid;
}

/** As `--json` prints an edit. */
export interface PrintedEdit {
  readonly id: string;
  readonly state: string;
  readonly phase: string;
  readonly progress: { readonly done: number; readonly total: number };
  readonly committedSteps: number;
  readonly weightsHash: string;
  readonly recoveries: number;
  readonly prompts: readonly { readonly framesFinished: number }[];
  readonly layouts: readonly {
    readonly phase: string;
    readonly layout: string;
    readonly nodeIds: readonly string[];
    readonly predictedMs: number;
    readonly measuredMs: number;
    readonly reason: string;
  }[];
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
}

/**
 * Submits an edit and follows it to its end.
 *
 * @param onEdit  told of every snapshot
 */
export async function followEdit(
  workplace: Workplace,
  args: readonly string[],
  onEdit: (edit: PrintedEdit) => void,
): Promise<{ readonly end: ProcessEnd; readonly edit: PrintedEdit }> {
  const end = await retake(workplace, [...args, "--wait", "--json"], {
    onStart: ({ stderr }) => {
      if (stderr === null) return;
      createInterface(stderr).on("line", (line) => {
        const said: PrintedEdit & { readonly event?: string } = JSON.parse(line);
        if (said.event === "edit") onEdit(said);
      });
    },
  });
  return { end, edit: JSON.parse(end.out) };
}

/** SHA-256 of the tensors of a safetensors file, without what it says of itself. */
export async function tensorsDigest(path: string): Promise<string> {
  const bytes = await readFile(path);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  return createHash("sha256").update(bytes.subarray(begin)).digest("hex");
}

/** SHA-256 of a file. */
export async function digestOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
