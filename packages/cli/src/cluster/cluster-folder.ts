import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "@retake/coordinator";
import { Code, RetakeError } from "@retake/errors";
import { cacheFolder } from "../cache/cache-folder.js";

/** A cluster of this machine that runs, as its folder tells. */
export interface LocalCluster {
  /** host:port of its coordinator. */
  readonly coordinator: string;
  /** Of `retake up`. */
  readonly pid: number;
}

/** Where `retake up` keeps its state, unless it is told otherwise. */
export function clusterFolder(
  env: Readonly<Record<string, string | undefined>>,
  given: string | undefined,
): string {
  return given ?? join(cacheFolder(env), "cluster");
}

const statePath = (folder: string): string => join(folder, "cluster.json");

/** The cluster that runs in a folder; undefined if there is none. */
export async function runningCluster(folder: string): Promise<LocalCluster | undefined> {
  const text = await readFile(statePath(folder), "utf8").catch(() => "");
  if (text === "") return undefined;
  const { coordinator, pid } = Object(parsed(text));
  if (typeof coordinator !== "string" || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return isAlive(pid) ? { coordinator, pid } : undefined;
}

export async function writeCluster(folder: string, cluster: LocalCluster): Promise<void> {
  const text = `${JSON.stringify(cluster, null, 2)}\n`;
  await writeAtomically(statePath(folder), (temporary) => writeFile(temporary, text));
}

export async function forgetCluster(folder: string): Promise<void> {
  await rm(statePath(folder), { force: true });
}

/**
 * The coordinator to call: the one that is named, else the local cluster's.
 *
 * @throws RetakeError  `unreachable` where none is named and none runs
 */
export async function coordinatorAddress(
  env: Readonly<Record<string, string | undefined>>,
  given: { readonly coordinator: string | undefined; readonly folder: string | undefined },
): Promise<string> {
  const named = given.coordinator ?? env.RETAKE_COORDINATOR ?? "";
  if (named !== "") return named;
  const folder = clusterFolder(env, given.folder);
  const running = await runningCluster(folder);
  if (running !== undefined) return running.coordinator;
  const message =
    `coordinator: expected --coordinator HOST:PORT or a cluster in ${folder}, got neither; ` +
    "start one with retake up";
  throw new RetakeError(Code.Unavailable, "unreachable", message);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Half a file of another program: as good as none.
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
