import { describe, expect, it } from "vitest";
import type { LayoutReport } from "../job/edit-record.js";
import { ACluster } from "../job/testing/a-cluster.js";
import { clusterRun, phaseTimes } from "./cluster-run.js";

const report = (change: Partial<LayoutReport>): LayoutReport => ({
  ...{ phase: "sample", promptIndex: -1, layout: "one", nodeIds: ["a"], predictedMs: 900 },
  ...{ measuredMs: 1_000, reason: "one node (a)", startedMs: 5_000, ...change },
});

describe("phaseTimes", () => {
  it("counts from the first piece of a phase to the end of the last, by edit's names", () => {
    const layouts = [
      report({ phase: "encode", startedMs: 1_000, measuredMs: 500 }),
      report({ promptIndex: 0, startedMs: 5_000, measuredMs: 4_000 }),
      report({ promptIndex: 1, startedMs: 4_500, measuredMs: 1_000 }),
      report({ phase: "decode", startedMs: 9_000, measuredMs: 250 }),
    ];
    expect(phaseTimes({ layouts, startedMs: 1_000 })).toEqual({
      encode: { seconds: 0.5, reused: false },
      sample: { seconds: 4.5, reused: false },
      frames: { seconds: 0.25, reused: false },
    });
    // Begun again at 2 s: what was encoded before is not done again.
    expect(phaseTimes({ layouts, startedMs: 2_000 })["encode"]?.reused).toBe(true);
  });
});

describe("clusterRun", () => {
  it("names the nodes of a whole edit, with each layout and its reason", () => {
    const cluster = new ACluster();
    for (const nodeId of ["b", "a"]) cluster.join(nodeId, { engine: "onnx-cpu" });
    cluster.untilTune();
    const run = clusterRun(cluster.record());
    expect(run).toMatchObject({ edit: "e", attempt: 1, recoveries: 0, nodes: ["a", "b"] });
    expect(run.layouts.map(({ phase, layout, nodes }) => [phase, layout, nodes])).toEqual([
      ["encode", "vae-frames", ["a", "b"]],
      ["tune", "draws", ["a", "b"]],
    ]);
    for (const { reason } of run.layouts) expect(reason).toContain("a, b");
    expect(cluster.record().engine).toBe("onnx-cpu");
  });

  it("says of which prompt a layout was", () => {
    const cluster = new ACluster();
    cluster.submit();
    const layouts = [report({ promptIndex: 1 }), report({ phase: "tune" })];
    const { layouts: told } = clusterRun({ ...cluster.record(), layouts });
    expect(told).toEqual([
      {
        ...{ phase: "sample", prompt: 1, layout: "one", nodes: ["a"], reason: "one node (a)" },
        ...{ predictedMs: 900, measuredMs: 1_000 },
      },
      expect.not.objectContaining({ prompt: expect.anything() }),
    ]);
  });
});
