import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  digestOf,
  followEdit,
  type PrintedEdit,
  type RunningCluster,
  startCluster,
} from "./cluster-process.js";
import { createWorkplace, demoClip, retake, tinyModel, type Workplace } from "./retake-process.js";

/** One prompt, long enough in every phase to be interrupted in it. */
const about: readonly string[] = [
  ...[demoClip, "--source", "a car is running on the grass", "--seed", "5"],
  ...["--prompt", "a horse is running on the grass", "--frames", "7", "--size", "96x96"],
  ...["--steps", "2", "--ddim", "40"],
];
const video = "1-a-horse-is-running-on-the-grass.mp4";
/** Ranks that share frames wait for each other thousands of times: a busy machine takes long. */
const sharedTimeoutMs = 400_000;

describe("one prompt on a cluster of three nodes", () => {
  let workplace: Workplace;
  let cluster: RunningCluster;
  /** What `retake edit` makes of the same, alone. */
  let alone: string;

  beforeAll(async () => {
    workplace = await createWorkplace();
    const out = join(workplace.path, "alone");
    const args = ["edit", ...about, "--model", tinyModel, "--threads", "1", "--out", out];
    const end = await retake(workplace, args);
    expect(end.err.includes("retake:") ? end.err : "").toBe("");
    alone = await digestOf(join(out, video));
    cluster = await startCluster(workplace, { nodeCount: 3, leaseMs: 3_000 });
  });
  afterAll(async () => {
    expect(await cluster.stop()).toBe(0);
    await workplace.remove();
  });

  /** Follows an edit, kills a node once, and compares the frames' bits. */
  async function sameBits(
    layout: string,
    victimOf: (edit: PrintedEdit) => string | undefined,
  ): Promise<PrintedEdit> {
    const kills: Promise<void>[] = [];
    const args = ["submit", ...about, "--layout", layout, "--dir", cluster.folder];
    const { edit, end } = await followEdit(workplace, args, (now) => {
      const victim = kills.length === 0 ? victimOf(now) : undefined;
      if (victim !== undefined) kills.push(cluster.kill(victim));
    });
    await Promise.all(kills);
    expect([end.code, edit.state]).toEqual([0, "succeeded"]);
    const out = join(workplace.path, edit.id);
    expect((await cluster.ask(["download", edit.id, "--out", out])).err).toBe("");
    expect(await digestOf(join(out, video))).toBe(alone);
    for (const report of edit.layouts) {
      expect(report).toMatchObject({ measuredMs: expect.any(Number), reason: expect.any(String) });
      expect(report.measuredMs).toBeGreaterThan(0);
      expect(report.reason).not.toBe("");
    }
    return edit;
  }

  const laidOut = (edit: PrintedEdit, phase: string) =>
    edit.layouts.filter((report) => report.phase === phase);
  /** Who samples, and who computes a branch for it, while they do. */
  const branchesOf = (edit: PrintedEdit): readonly string[] | undefined => {
    const isOnTheWay = edit.phase === "sample" && edit.progress.done >= 4;
    const open = laidOut(edit, "sample").find(({ measuredMs }) => measuredMs === 0);
    return isOnTheWay && open?.layout === "branches" ? open.nodeIds : undefined;
  };

  it("divides guidance branches and VAE frames to the bits of one process", async () => {
    const edit = await sameBits("branches", () => undefined);
    expect(edit.recoveries).toBe(0);
    expect(laidOut(edit, "sample")).toMatchObject([{ layout: "branches" }]);
    expect(laidOut(edit, "sample")[0]?.nodeIds).toHaveLength(2);
    for (const phase of ["encode", "decode"]) {
      const [report] = laidOut(edit, phase);
      expect([phase, report?.layout]).toEqual([phase, "vae-frames"]);
      expect(report?.nodeIds.length).toBeGreaterThan(1);
    }
  });

  /** Who shares the frames of a phase, while they do. */
  const ranksIn = (edit: PrintedEdit, phase: string): readonly string[] | undefined => {
    const isOnTheWay = edit.phase === phase && edit.progress.done >= 4;
    const open = laidOut(edit, phase).find(({ measuredMs }) => measuredMs === 0);
    return isOnTheWay && open?.layout === "frames" ? open.nodeIds : undefined;
  };

  it("shares the frames of every pass to the bits of one process", {
    timeout: sharedTimeoutMs,
  }, async () => {
    const edit = await sameBits("frames", () => undefined);
    expect(edit.recoveries).toBe(0);
    for (const phase of ["invert", "sample"]) {
      // The nodes may still end what they did before when the phase begins, on one of them.
      const shared = laidOut(edit, phase).find(({ layout }) => layout === "frames");
      expect([phase, shared?.nodeIds.length]).toEqual([phase, 3]);
    }
  });

  it.each([
    ["leads an inversion", "invert", 0],
    ["computes frames of an inversion", "invert", 1],
    ["computes frames of a sampling", "sample", -1],
  ])(
    "makes the same bits when the node is killed that %s",
    {
      timeout: sharedTimeoutMs,
    },
    async (_, phase, at) => {
      const edit = await sameBits("frames", (now) => ranksIn(now, phase)?.at(at));
      expect(edit.recoveries).toBeGreaterThan(0);
    },
  );

  it("keeps to one node where that was asked for", async () => {
    const edit = await sameBits("one", () => undefined);
    expect(edit.layouts.map(({ layout }) => layout)).toEqual(edit.layouts.map(() => "one"));
  });

  it("makes the same bits when the node is killed that computes a branch", async () => {
    const edit = await sameBits("branches", (now) => branchesOf(now)?.[1]);
    expect(edit.recoveries).toBeGreaterThan(0);
  });

  it("makes the same bits when the node is killed that samples", async () => {
    const edit = await sameBits("branches", (now) => branchesOf(now)?.[0]);
    expect(edit.recoveries).toBeGreaterThan(0);
  });

  it("makes the same bits when a node is killed while frames are decoded", async () => {
    await sameBits("auto", (now) => {
      const open = laidOut(now, "decode").find(({ measuredMs }) => measuredMs === 0);
      return open?.nodeIds.at(-1);
    });
  });
});
