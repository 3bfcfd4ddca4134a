import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { EngineName, EngineStatus } from "@retake/gpu-node";

export interface EngineHealth {
  readonly name: EngineName;
  readonly works: boolean;
  /** Why not, and what would make it work; null where it works. */
  readonly reason: string | null;
  readonly numericsId: string | null;
}

const probeTimeMaxMs = 60_000;
const reasonCharactersMax = 500;
const probe = fileURLToPath(new URL("./probe-main.js", import.meta.url));

/** Whether an engine works here, found out by running it in a process of its own. */
export async function engineHealth(name: EngineName, signal: AbortSignal): Promise<EngineHealth> {
  const status = await probed(name, signal);
  if (status.works) {
    return { name, works: true, reason: null, numericsId: status.numericsId };
  }
  const said = status.reason.replace(/\s+/g, " ").replace(`${name}: `, "");
  return { name, works: false, reason: said.slice(0, reasonCharactersMax), numericsId: null };
}

async function probed(name: EngineName, signal: AbortSignal): Promise<EngineStatus> {
  try {
    const options = { timeout: probeTimeMaxMs, signal };
    const { stdout } = await promisify(execFile)(process.execPath, [probe, name], options);
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as EngineStatus;
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const ended = thrown instanceof Error && "signal" in thrown ? String(thrown.signal) : "";
    const how = ended === "" || ended === "null" ? "its probe failed" : `it ended with ${ended}`;
    return { works: false, reason: how };
  }
}
