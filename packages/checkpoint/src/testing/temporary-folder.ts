import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RetakeError } from "@retake/errors";
import { onTestFinished } from "vitest";

/** A new folder that is removed when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "retake-checkpoint-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** The reason and message of the RetakeError that `run` ends with; fails if it ends otherwise. */
export async function failureOf(
  run: () => unknown,
): Promise<{ readonly reason: string; readonly message: string }> {
  try {
    await run();
  } catch (thrown) {
    if (!(thrown instanceof RetakeError)) throw thrown;
    return { reason: thrown.reason, message: thrown.message };
  }
  throw new Error("expected a RetakeError, got a value");
}
