import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  digestOf,
  type PrintedEdit,
  type RunningCluster,
  startCluster,
} from "./cluster-process.js";
import { createWorkplace, demoClip, type ProcessEnd, type Workplace } from "./retake-process.js";

/** A line of `results.jsonl` or `errors.jsonl`. */
interface Told {
  readonly line: number;
  readonly id: string;
  readonly editId?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly error?: { readonly reason: string };
}

const small: readonly string[] = [
  ...["--source", "a car is running on the grass", "--frames", "2", "--size", "32x32"],
  ...["--steps", "2", "--ddim", "2", "--json"],
];

describe("retake batch", () => {
  let workplace: Workplace;
  let cluster: RunningCluster;
  beforeAll(async () => {
    workplace = await createWorkplace();
    cluster = await startCluster(workplace, { nodeCount: 1, leaseMs: 3_000 });
  });
  afterAll(async () => {
    expect(await cluster.stop()).toBe(0);
    await workplace.remove();
  });

  const line = (id: string, clip: string): string =>
    JSON.stringify({ id, clip, prompt: `a ${id} is running on the grass` });

  async function batch(
    lines: readonly string[],
    more: readonly string[] = [],
  ): Promise<ProcessEnd> {
    const path = join(workplace.path, "edits.jsonl");
    await writeFile(path, lines.join("\n"));
    const out = join(workplace.path, "results");
    return cluster.ask(["batch", path, "--out", out, "--open", "2", ...small, ...more]);
  }

  async function told(name: string): Promise<readonly Told[]> {
    const text = await readFile(join(workplace.path, "results", name), "utf8");
    const lines = text.split("\n").filter((each) => each !== "");
    const all = lines.map((each) => JSON.parse(each) as Told);
    return all.sort((a, b) => a.line - b.line);
  }

  it("gathers results and errors, and goes on where it ended", async () => {
    const missing = join(workplace.path, "missing.mp4");
    const first = await batch([line("horse", demoClip), line("pig", missing), "no edit"]);
    expect(first.code).toBe(6);
    expect(JSON.parse(first.out)).toMatchObject({ total: 3, succeeded: 1, failed: 2 });
    expect(await told("errors.jsonl")).toMatchObject([
      { line: 2, id: "pig", error: { reason: "file-not-found" } },
      { line: 3, id: "line-3", error: { reason: "file-malformed" } },
    ]);
    const [horse] = await told("results.jsonl");
    const video = horse?.files?.["1-a-horse-is-running-on-the-grass.mp4"] ?? "";
    const digest = await digestOf(video);

    const second = await batch([line("horse", demoClip), line("pig", demoClip)]);
    expect([second.code, second.err.includes('"failed":0')]).toEqual([0, true]);
    expect(await told("errors.jsonl")).toEqual([]);
    expect((await told("results.jsonl")).map(({ id }) => id)).toEqual(["horse", "pig"]);
    expect(await digestOf(video)).toBe(digest);
    const { edits }: { edits: PrintedEdit[] } = JSON.parse(
      (await cluster.ask(["list", "--json"])).out,
    );
    expect(edits.map(({ state }) => state)).toEqual(["succeeded", "succeeded"]);
  });

  it("sends a video once that lines name which are sent at once", async () => {
    // As large as takes many chunks: bytes after the last box of an mp4 are nothing to it.
    const large = join(workplace.path, "large.mp4");
    await writeFile(large, Buffer.concat([await readFile(demoClip), freeBox(32 * 2 ** 20)]));
    const lines = [line("horse", large), line("pig", large)];
    const { code, err } = await batch(lines, ["--finish-within", "30m"]);
    expect([code, err.includes('"failed":0')]).toEqual([0, true]);
    expect(await told("errors.jsonl")).toEqual([]);
  });
});

/** A box of an mp4 that holds nothing. */
function freeBox(sizeBytes: number): Buffer {
  const box = Buffer.alloc(sizeBytes);
  box.writeUInt32BE(sizeBytes);
  box.write("free", 4, "latin1");
  return box;
}
