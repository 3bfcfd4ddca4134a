import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkplace, leftovers, retake, smallEdit, type Workplace } from "./retake-process.js";

/** Processes whose command line names the workplace: ffmpeg writes there, retake reads there. */
async function processesOf({ path }: Workplace): Promise<readonly string[]> {
  const found: string[] = [];
  for (const id of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(join("/proc", id, "cmdline"), "utf8").catch(() => "");
    if (line.includes(path)) found.push(line.replaceAll("\0", " "));
  }
  return found;
}

/** Moments over the whole of a run, in percent. */
const moments = [12, 25, 38, 51, 64, 77, 90];

describe.skipIf(process.platform !== "linux")("Ctrl-C", () => {
  let workplace: Workplace;
  let wholeMs: number;

  beforeAll(async () => {
    workplace = await createWorkplace();
    const args = [...smallEdit, "--no-cache", "--out", join(workplace.path, "whole")];
    await retake(workplace, args);
    const beganMs = performance.now();
    const end = await retake(workplace, args);
    wholeMs = performance.now() - beganMs;
    expect(end.code).toBe(0);
  });
  afterAll(() => workplace.remove());

  it.each(moments)("at %i percent of a run leaves nothing behind", async (moment) => {
    const out = join(workplace.path, `stopped-${moment}`);
    const end = await retake(workplace, [...smallEdit, "--no-cache", "--out", out], {
      onStart: (child) => {
        const timer = setTimeout(() => child.kill("SIGINT"), (moment / 100) * wholeMs);
        child.once("close", () => clearTimeout(timer));
      },
    });
    expect(await leftovers(workplace)).toEqual([]);
    expect(await processesOf(workplace)).toEqual([]);
    // A run that was faster than the last one may be done; one that has hardly begun dies of it.
    if (end.code === 0 || end.signal === "SIGINT") return;
    expect([end.code, end.err]).toEqual([130, expect.stringMatching(/: stopped as asked/)]);
    await expect(readdir(out)).rejects.toThrow("ENOENT");
  });
});
