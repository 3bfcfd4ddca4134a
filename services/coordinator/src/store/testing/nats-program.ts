import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("../../../../../scripts/nats-server.mjs", import.meta.url));

/** The path of a nats-server, which the first test that needs one installs. */
export async function natsProgram(): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [script]);
  return stdout.trim();
}

/** A folder under the system's temporary one, and how to be rid of it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "retake-store-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
