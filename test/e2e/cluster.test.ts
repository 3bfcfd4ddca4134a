import { readdir, readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  digestOf,
  followEdit,
  type PrintedEdit,
  type RunningCluster,
  startCluster,
  tensorsDigest,
} from "./cluster-process.js";
import { readManifestFile } from "./manifest-file.js";
import { createWorkplace, demoClip, retake, tinyModel, type Workplace } from "./retake-process.js";

/** Long enough to be interrupted in every phase. */
const about: readonly string[] = [
  ...[demoClip, "--source", "a car is running on the grass", "--seed", "5"],
  ...["--prompt", "a horse is running on the grass", "--prompt", "a car is running in the desert"],
  ...["--frames", "3", "--size", "64x64", "--steps", "40", "--draws", "2", "--ddim", "40"],
];
const videos = [
  ...["1-a-horse-is-running-on-the-grass.mp4", "2-a-car-is-running-in-the-desert.mp4"],
  ...["poster.png", "side-by-side.mp4"],
];

describe("a cluster of two nodes", () => {
  let workplace: Workplace;
  let cluster: RunningCluster;
  /** What `retake edit` makes of the same, alone. */
  let alone: Readonly<Record<string, string>>;

  beforeAll(async () => {
    workplace = await createWorkplace();
    const out = join(workplace.path, "alone");
    const args = ["edit", ...about, "--model", tinyModel, "--threads", "1", "--out", out];
    const end = await retake(workplace, args);
    expect(end.err.includes("retake:") ? end.err : "").toBe("");
    alone = await digestsOf(out);
    cluster = await startCluster(workplace, { nodeCount: 2, leaseMs: 3_000 });
  });
  afterAll(async () => {
    const code = await cluster.stop();
    expect(code).toBe(0);
    expect((await processesOf(workplace)).join("\n")).toBe("");
    await workplace.remove();
  });

  async function digestsOf(folder: string): Promise<Readonly<Record<string, string>>> {
    const digests: Record<string, string> = {
      delta: await tensorsDigest(join(folder, "delta.safetensors")),
    };
    for (const name of videos) digests[name] = await digestOf(join(folder, name));
    return digests;
  }

  /** Follows an edit, does something to the cluster once, and compares the result's bits. */
  async function sameBits(
    disturb: (edit: PrintedEdit) => Promise<void> | undefined,
  ): Promise<PrintedEdit> {
    const works: Promise<void>[] = [];
    // So that steps are exchanged, also where one node would be faster.
    const args = ["submit", ...about, "--layout", "draws", "--dir", cluster.folder];
    const { edit, end } = await followEdit(workplace, args, (now) => {
      const work = works.length === 0 ? disturb(now) : undefined;
      if (work !== undefined) works.push(work);
    });
    await Promise.all(works);
    expect(end.code).toBe(0);
    expect(edit.state).toBe("succeeded");
    const out = join(workplace.path, edit.id);
    const fetched = await cluster.ask(["download", edit.id, "--out", out]);
    expect(fetched.err).toBe("");
    expect(await digestsOf(out)).toEqual(alone);
    await expectManifest(out, edit.id);
    return edit;
  }

  /** It says as much as that of one process, and how the cluster did it. */
  async function expectManifest(out: string, editId: string): Promise<void> {
    const { timings, numericsId, settings, cluster: run } = await readManifestFile(out);
    const single = await readManifestFile(join(workplace.path, "alone"));
    expect([numericsId, settings["engine"]]).toEqual([single.numericsId, "onnx-cpu"]);
    expect(Object.keys(timings).sort()).toEqual(["encode", "frames", "invert", "sample", "tune"]);
    for (const { seconds } of Object.values(timings)) expect(seconds).toBeGreaterThan(0);
    expect(run?.edit).toBe(editId);
    expect(run?.nodes.length).toBeGreaterThan(0);
    for (const { reason, nodes, measuredMs } of run?.layouts ?? []) {
      expect(reason).not.toBe("");
      expect(run?.nodes).toEqual(expect.arrayContaining([...nodes]));
      expect(measuredMs).toBeGreaterThan(0);
    }
  }

  const tuned = (edit: PrintedEdit): boolean => edit.phase === "tune" && edit.committedSteps >= 8;
  const sampled = (edit: PrintedEdit): boolean =>
    edit.phase === "sample" && edit.progress.done >= 8;

  it("divides the memory of the machine between its nodes", async () => {
    const { out } = await cluster.ask(["nodes", "--json"]);
    const { nodes }: { nodes: { memoryBytes: number }[] } = JSON.parse(out);
    const [first = 0, second = 0] = nodes.map(({ memoryBytes }) => memoryBytes);
    expect(first).toBe(second);
    expect(first + second).toBeGreaterThan(0);
    expect(first + second).toBeLessThanOrEqual(totalmem());
  });

  it("refuses what fits on no node at once, and says what it would take", async () => {
    const large = [...about, "--frames", "1000", "--size", "2048x2048"];
    const end = await cluster.ask(["submit", ...large]);
    expect(end.code).toBe(5);
    expect(end.err).toMatch(
      /memory: for 1000 frames of 2048x2048, \w+ needs about \d+\.\d GB, .* has \d+\.\d GB; take/,
    );
  });

  it("refuses what no division could finish in time, and says how long it takes", async () => {
    const long = [...about, "--steps", "1000000", "--finish-within", "1m"];
    const end = await cluster.ask(["submit", ...long]);
    expect(end.code).toBe(8);
    expect(end.err).toMatch(
      /deadline: for 3 frames .* take at least \d+\.\d s \(2 nodes: .*\), and it shall finish in/,
    );
  });

  it("makes the same bits as one process, and frames come in order", async () => {
    const edit = await sameBits(() => undefined);
    expect(edit.recoveries).toBe(0);
    expect(edit.committedSteps).toBe(40);
    expect(edit.weightsHash).toMatch(/^[0-9a-f]{64}$/);
    expect(edit.files.map(({ name }) => name).sort()).toEqual(
      [...videos, "delta.safetensors", "manifest.json"].sort(),
    );
    const out = join(workplace.path, "frames");
    const frames = await cluster.ask(["download", edit.id, "--frames", "1", "--out", out]);
    expect(frames.err.trim().split("\n")).toEqual([
      ...["frame-0000.png", "frame-0001.png", "frame-0002.png"],
    ]);
  });

  it("makes the same bits when a node is killed while it tunes", async () => {
    const edit = await sameBits((now) => (tuned(now) ? cluster.kill("node-2") : undefined));
    expect(edit.recoveries).toBeGreaterThan(0);
  });

  it("makes the same bits when a node is killed while it samples", async () => {
    const edit = await sameBits((now) => (sampled(now) ? cluster.kill("node-1") : undefined));
    expect(edit.recoveries).toBeGreaterThan(0);
  });

  it("makes the same bits when the coordinator is killed while nodes tune", async () => {
    const edit = await sameBits((now) => (tuned(now) ? cluster.kill("coordinator") : undefined));
    expect(edit.recoveries).toBeGreaterThan(0);
  });

  it("makes the same bits when the coordinator is killed while nodes sample", async () => {
    const edit = await sameBits((now) => (sampled(now) ? cluster.kill("coordinator") : undefined));
    expect(edit.recoveries).toBeGreaterThan(0);
  });

  it("stops an edit that is canceled, and nodes are free for the next", async () => {
    let isAsked = false;
    const args = ["submit", ...about, "--dir", cluster.folder];
    const { end, edit } = await followEdit(workplace, args, (now) => {
      if (isAsked || !tuned(now)) return;
      isAsked = true;
      void cluster.ask(["cancel", now.id]);
    });
    expect([edit.state, end.code]).toEqual(["canceled", 130]);
    expect(edit.committedSteps).toBeLessThan(40);
    const { out } = await cluster.ask(["nodes", "--json"]);
    const { nodes }: { nodes: { tasks: unknown[]; pid: number }[] } = JSON.parse(out);
    expect(nodes.map(({ tasks }) => tasks.length)).toEqual([0, 0]);
  });

  it("takes one request once, and knows no edit that is not there", async () => {
    const args = ["submit", ...about, "--steps", "0", "--request-id", "one", "--json"];
    const ends = [await cluster.ask(args), await cluster.ask(args)];
    const ids = ends.map(({ out }) => (JSON.parse(out) as PrintedEdit).id);
    expect(ids[0]).toBe(ids[1]);
    expect((await cluster.ask(["cancel", ids[0] ?? ""])).code).toBe(0);
    const none = await cluster.ask(["get", "e0", "--json"]);
    expect(none.code).toBe(3);
    expect(none.err).toContain('"reason":"edit-unknown"');
  });

  it("shrinks to one node, which stays the only one, and says that it starts none", async () => {
    const { out } = await cluster.ask(["scale", "1", "--wait"]);
    expect(out).toMatch(/^static pool: 2 -> 1; .*\nnode-[12] {2}has handed over: it is idle\n$/s);
    await vi.waitFor(async () => {
      const { nodes }: { nodes: unknown[] } = JSON.parse(
        (await cluster.ask(["nodes", "--json"])).out,
      );
      expect(nodes).toHaveLength(1);
    }, 60_000);
    const more = await cluster.ask(["scale", "2", "--json"]);
    expect(more.code).toBe(6);
    expect(more.err).toContain('"reason":"pool-fixed"');
  });
});

/** Processes whose command line names the workplace: all of the cluster's do. */
async function processesOf({ path }: Workplace): Promise<readonly string[]> {
  const found: string[] = [];
  for (const id of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(join("/proc", id, "cmdline"), "utf8").catch(() => "");
    if (line.includes(path)) found.push(line.replaceAll("\0", " "));
  }
  return found;
}
