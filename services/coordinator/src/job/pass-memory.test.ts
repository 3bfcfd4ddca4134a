import { describe, expect, it } from "vitest";
import type { NodeInfo } from "./cluster-state.js";
import type { EditSettings } from "./edit-record.js";
import { memoryNeeded, smallerFramesPerPass } from "./pass-memory.js";
import { whyWaits } from "./placement.js";
import { ACluster } from "./testing/a-cluster.js";
import { aRecord, someSettings } from "./testing/an-edit.js";

// An edit of 2 frames of 8x8: 128 pixels. In MB, its tuning takes 10 + 128 (or 10 + 12.8 with
// memory low), a U-Net pass 1 + 12.8, a frame of the VAE 32.
const MB = 1e6;
const passMemory: NodeInfo["models"][number]["passMemory"] = [
  { kind: "gradients", lowMemory: false, fixedBytes: 10 * MB, bytesPerPixel: MB },
  { kind: "gradients", lowMemory: true, fixedBytes: 10 * MB, bytesPerPixel: MB / 10 },
  { kind: "unet", lowMemory: false, fixedBytes: MB, bytesPerPixel: MB / 10 },
  { kind: "encode", lowMemory: false, fixedBytes: 0, bytesPerPixel: MB / 2 },
  { kind: "decode", lowMemory: false, fixedBytes: 0, bytesPerPixel: MB / 2 },
];
const models = [
  { hash: "m", name: "M", tunedParameters: 1, frameCoupling: null, passMemory, passFlops: [] },
];
const withMemory = (megabytes: number, numericsId = "n"): Partial<NodeInfo> => ({
  ...{ models, memoryBytes: megabytes * MB, numericsId },
});
const settingsOf = (change: Partial<EditSettings>) => ({
  settings: { ...someSettings, ...change },
});

describe("memoryNeeded", () => {
  const info = { models } as unknown as NodeInfo;
  it("follows the phase, the memory setting, and how many frames pass at once", () => {
    const record = aRecord({ settings: { guidance: 4 } });
    expect(memoryNeeded(info, record, "tune")).toBe(138 * MB);
    const low = aRecord({ settings: { memory: "low" } });
    expect(memoryNeeded(info, low, "tune")).toBe(22.8 * MB);
    expect(memoryNeeded(info, record, "invert")).toBe(13.8 * MB);
    expect(memoryNeeded(info, record, "decode")).toBe(32 * MB);
    expect(memoryNeeded(info, { ...record, framesPerPass: 8 }, "decode")).toBe(64 * MB);
    expect(memoryNeeded(info, record, "sample")).toBe(13.8 * MB);
    expect(memoryNeeded(info, { ...record, framesPerPass: 2 }, "sample")).toBe(26.6 * MB);
    expect(memoryNeeded(info, record, "publish")).toBe(0);
  });
});

describe("smallerFramesPerPass", () => {
  it("halves the frames of the VAE, takes joined branches apart, and cuts nothing else", () => {
    const record = { ...aRecord({ settings: { guidance: 4, frames: 6 } }), framesPerPass: 8 };
    expect(smallerFramesPerPass(record, "encode")).toBe(3);
    expect(smallerFramesPerPass(record, "sample")).toBe(1);
    expect(smallerFramesPerPass(record, "tune")).toBeNull();
    expect(smallerFramesPerPass(record, "invert")).toBeNull();
    expect(smallerFramesPerPass({ ...record, framesPerPass: 1 }, "decode")).toBeNull();
    expect(smallerFramesPerPass({ ...aRecord({}), framesPerPass: 2 }, "sample")).toBeNull();
  });
});

describe("admission by memory", () => {
  it("refuses what fits on no node, and says what was needed and what there is", () => {
    const cluster = new ACluster();
    cluster.join("a", withMemory(137));
    cluster.join("b", withMemory(100));
    const { refusal } = cluster.submit();
    expect(refusal).toEqual({
      ...{ code: "RESOURCE_EXHAUSTED", reason: "memory-short" },
      message:
        "memory: for 2 frames of 8x8, tune needs about 138 MB, the largest node has 137 MB; " +
        "take fewer frames or a smaller picture, or memory: low",
    });
    expect(cluster.submit("low", settingsOf({ memory: "low" })).refusal).toBeNull();
    expect(cluster.submit("untuned", settingsOf({ steps: 0 })).refusal).toBeNull();
    cluster.join("c", withMemory(138));
    expect(cluster.submit("whole").refusal).toBeNull();
  });

  it("takes what it cannot judge: no node yet, or one that tells nothing", () => {
    const cluster = new ACluster();
    expect(cluster.submit("none").refusal).toBeNull();
    cluster.join("a", { memoryBytes: 1 });
    expect(cluster.submit("untold").refusal).toBeNull();
    cluster.join("a", withMemory(0));
    expect(cluster.submit("unknown").refusal).toBeNull();
  });

  it("takes fewer frames a pass where so many as asked for fit on no node", () => {
    const cluster = new ACluster();
    cluster.join("a", withMemory(140));
    cluster.submit("e", settingsOf({ batch: 8, frames: 8, memory: "low", steps: 0 }));
    expect(cluster.record()).toMatchObject({ framesPerPass: 4, spec: { settings: { batch: 8 } } });
    expect(cluster.submit("f", settingsOf({ frames: 16 })).refusal?.message).toContain("tune");
  });

  it("takes fewer of an edit that was there before the nodes, as long as nobody has begun", () => {
    const cluster = new ACluster();
    cluster.submit("e", settingsOf({ batch: 8, frames: 8, memory: "low", steps: 0 }));
    cluster.finish("ingest");
    cluster.join("a", { ...withMemory(140), models: [] });
    expect(cluster.record().framesPerPass).toBe(8);
    cluster.join("b", withMemory(30));
    expect(cluster.record()).toMatchObject({ framesPerPass: 8, tasks: [] });
    cluster.join("c", withMemory(140));
    expect(cluster.record().framesPerPass).toBe(4);
    expect(cluster.record().tasks.map(({ nodeId }) => nodeId)).toEqual(["c"]);
  });

  it("refuses an edit whose phases fit on nodes of different numerics only", () => {
    const cluster = new ACluster();
    const less = { ...withMemory(140, "x"), models: [{ ...models[0], passMemory: [] }] };
    cluster.join("a", withMemory(50, "y"));
    expect(cluster.submit("e").refusal?.reason).toBe("memory-short");
    cluster.join("b", less as Partial<NodeInfo>);
    expect(cluster.submit("e").refusal).toBeNull();
    cluster.finish("ingest");
    expect(cluster.record().tasks.map(({ nodeId }) => nodeId)).toEqual(["b"]);
  });
});

describe("placement by memory", () => {
  it("places each phase on nodes that it fits on", () => {
    const cluster = new ACluster();
    cluster.join("a", withMemory(50));
    cluster.join("b", withMemory(200));
    cluster.untilTune();
    expect(cluster.record().tasks.map(({ nodeId }) => nodeId)).toEqual(["b"]);
    expect(cluster.effects.flatMap((e) => (e.kind === "start-task" ? e.task.nodeId : []))).toEqual([
      ...["a", "b"],
    ]);
  });

  it("waits, and says for how much, when the node that it fits on has left", () => {
    const cluster = new ACluster();
    cluster.join("a", withMemory(50));
    cluster.join("b", withMemory(200));
    cluster.submit();
    for (let passes = 0; passes < 3; passes += 1) {
      cluster.heartbeat("a", []);
      cluster.pass(cluster.options.leaseDurationMs / 2);
    }
    cluster.finish("ingest");
    expect(cluster.record().tasks).toEqual([]);
    expect(whyWaits(cluster.state, cluster.record())).toBe(
      "waits for memory: tune needs about 138 MB, the largest node has 50 MB",
    );
    cluster.join("c", withMemory(200));
    expect(cluster.task("encode").nodeId).toBe("a");
  });

  it("makes smaller pieces of what failed for memory, and refuses what has none", () => {
    const cluster = new ACluster();
    cluster.join("a", withMemory(200));
    cluster.submit("e", settingsOf({ batch: 2 }));
    cluster.finish("ingest");
    const failure = { code: "RESOURCE_EXHAUSTED", reason: "memory-short", message: "engine: full" };
    const fail = (): void => {
      const [task] = cluster.record().tasks;
      if (task === undefined) throw new Error("nothing runs");
      cluster.tell({ kind: "task-failed", ...cluster.from(task), failure });
    };
    fail();
    expect(cluster.record()).toMatchObject({ framesPerPass: 1, state: "running" });
    cluster.pass(cluster.options.leaseDurationMs / 2);
    cluster.heartbeat("a", []);
    cluster.pass(cluster.options.leaseDurationMs / 2);
    cluster.heartbeat("a", []);
    cluster.pass(cluster.options.nodeRestMs - cluster.options.leaseDurationMs);
    fail();
    expect(cluster.record().state).toBe("failed");
    expect(cluster.record().failure?.message).toBe(
      "engine: full (about 32 MB were predicted, no node has more than 200 MB; " +
        "take fewer or smaller frames)",
    );
  });
});
