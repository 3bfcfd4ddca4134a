import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkplace, demoClip, demoModel, retake, type Workplace } from "./retake-process.js";

const tuning = [
  ...["tune", demoClip, "--model", demoModel, "--source", "a car is running on the grass"],
  ...["--frames", "4", "--size", "32x32", "--steps", "12", "--draws", "2", "--threads", "1"],
  ...["--no-cache", "--snapshot-every", "2", "--resume"],
];

/** Waits until a tuning has written a snapshot: a file that may be replaced at any time. */
async function snapshotOf({ cacheDir }: Workplace): Promise<void> {
  for (;;) {
    const names = await readdir(join(cacheDir, "snapshots")).catch((): string[] => []);
    if (names.some((name) => name.endsWith(".safetensors") && !name.startsWith("."))) return;
    await wait(5);
  }
}

describe("retake tune --resume", () => {
  let workplace: Workplace;
  let undisturbed: Buffer;

  beforeAll(async () => {
    workplace = await createWorkplace();
    const out = join(workplace.path, "undisturbed");
    const end = await retake(workplace, [...tuning, "--out", out]);
    expect([end.code, end.err]).toEqual([0, expect.stringContaining("done in")]);
    undisturbed = await readFile(join(out, "delta.safetensors"));
  });
  afterAll(() => workplace.remove());

  it.each(["SIGKILL", "SIGINT"] as const)("goes on after %s to the same bits", async (signal) => {
    const out = join(workplace.path, signal);
    const stopped = await retake(workplace, [...tuning, "--out", out], {
      onStart: (child) => {
        void snapshotOf(workplace).then(() => child.kill(signal));
      },
    });
    expect(stopped.code === 0).toBe(false);
    if (signal === "SIGINT") expect(stopped.err).toContain("--resume");
    const resumed = await retake(workplace, [...tuning, "--out", out, "--json"]);
    expect(resumed.code).toBe(0);
    expect(resumed.err).toContain('"phase":"tune"');
    expect(undisturbed.equals(await readFile(join(out, "delta.safetensors")))).toBe(true);
    expect(await readdir(join(workplace.cacheDir, "snapshots"))).toEqual([]);
  });
});
