import { describe, expect, it } from "vitest";
import { defaultOptions, standby } from "./cluster-state.js";
import { decide } from "./decide.js";
import type { LatentsAt } from "./edit-record.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

const at = (done: number, total = 2): LatentsAt => ({ done, total, artifactId: `l${done}` });

/** An edit without tuning on one node, up to its inversion. */
function inverting() {
  const cluster = new ACluster();
  cluster.join("a");
  cluster.untilTune({ settings: { ...someSettings, steps: 0 } });
  return cluster;
}

const latents = (cluster: ACluster, kind: "invert" | "sample", what: LatentsAt) =>
  cluster.tell({ kind: "latents", ...cluster.from(cluster.task(kind)), latents: what });

function decoding() {
  const cluster = inverting();
  latents(cluster, "invert", at(2));
  cluster.finish("invert");
  latents(cluster, "sample", at(2));
  cluster.finish("sample");
  return cluster;
}

const frame = (cluster: ACluster, index: number, artifactId = `f${index}`) =>
  cluster.tell({
    kind: "frame",
    ...cluster.from(cluster.task("decode")),
    frame: index,
    artifactId,
  });

describe("decide", () => {
  it("takes an edit from its clip to its files", () => {
    const cluster = decoding();
    frame(cluster, 1);
    frame(cluster, 0);
    cluster.finish("decode");
    cluster.finish("publish");
    expect(cluster.record()).toMatchObject({
      ...{ state: "succeeded", tasks: [], phase: "publish" },
      artifacts: { frames: [["f0", "f1"]], files: [{ name: "out.mp4" }] },
    });
    expect(cluster.state.nodes.get("a")?.tasks).toEqual([]);
  });

  it("goes on from the last stored latents when a node is lost", () => {
    const cluster = inverting();
    latents(cluster, "invert", at(1));
    cluster.join("a", { incarnation: "a2" });
    const [started] = cluster.did("start-task");
    expect(started?.task).toMatchObject({ kind: "invert", incarnation: "a2" });
    expect(started?.record.artifacts.inverted).toEqual(at(1));
  });

  it("refuses latents that are no later than those stored, or beyond their number", () => {
    const cluster = inverting();
    latents(cluster, "invert", at(1));
    expect(latents(cluster, "invert", at(1)).refusal?.reason).toBe("latents-stale");
    expect(latents(cluster, "invert", at(0)).refusal?.reason).toBe("latents-stale");
    expect(latents(cluster, "invert", at(3)).refusal?.reason).toBe("latents-stale");
    expect(latents(cluster, "invert", at(2, 9)).refusal?.reason).toBe("latents-stale");
    expect(cluster.record().artifacts.inverted).toEqual(at(1));
  });

  it("believes of a task only its own node, in its own life and epoch", () => {
    const cluster = inverting();
    const origin = cluster.from(cluster.task("invert"));
    for (const change of [
      { nodeId: "b" },
      { incarnation: "a0" },
      { epoch: 0 },
      { taskId: "e-9" },
    ]) {
      const event = { kind: "latents", ...origin, ...change, latents: at(1) } as const;
      expect(cluster.tell(event).refusal?.reason).toBe("task-stale");
    }
    expect(cluster.record().artifacts.inverted.done).toBe(0);
  });

  it("takes each frame once, and none that was not asked for", () => {
    const cluster = decoding();
    frame(cluster, 0);
    expect(frame(cluster, 0, "other").refusal?.reason).toBe("frame-stale");
    expect(frame(cluster, 2).refusal?.reason).toBe("frame-stale");
    expect(cluster.record().artifacts.frames).toEqual([["f0", ""]]);
  });

  it("does not believe a task that ends without its result", () => {
    const cluster = decoding();
    frame(cluster, 0);
    cluster.finish("decode");
    expect(cluster.record()).toMatchObject({ tasks: [], retries: { infrastructure: 1 } });
  });

  it("fails an edit at once for an error of its user, and stops its other tasks", () => {
    const cluster = inverting();
    const failure = {
      code: "INVALID_ARGUMENT",
      reason: "prompt-too-long",
      message: "prompt: long",
    };
    cluster.tell({ kind: "task-failed", ...cluster.from(cluster.task("invert")), failure });
    expect(cluster.record()).toMatchObject({ state: "failed", failure, tasks: [] });
  });

  it("spreads prompts over nodes, and the frames of one over those that are idle", () => {
    const cluster = new ACluster();
    cluster.join("a");
    cluster.join("b");
    const settings = { ...someSettings, steps: 0, frames: 4 };
    cluster.untilTune({ prompts: ["p", "q"], settings });
    latents(cluster, "invert", at(2));
    cluster.finish("invert");
    expect(
      cluster
        .record()
        .tasks.map(({ nodeId }) => nodeId)
        .toSorted(),
    ).toEqual(["a", "b"]);
    const samples = cluster.record().tasks;
    for (const task of samples) {
      cluster.tell({ kind: "latents", ...cluster.from(task), latents: at(2) });
    }
    for (const task of samples) {
      const result = { artifactId: "", files: [] };
      cluster.tell({ kind: "task-finished", ...cluster.from(task), result });
    }
    const ranges = cluster
      .record()
      .tasks.map(({ promptIndex, frames }) => [promptIndex, frames.end]);
    expect(ranges).toEqual([
      [0, 4],
      [1, 4],
    ]);
  });

  it("serves tenants in turn, whoever came first", () => {
    const cluster = new ACluster({ coordinatorTasksMax: 1 });
    for (const editId of ["t1", "t2", "t3"]) cluster.submit(editId, {}, "t");
    for (const editId of ["u1", "u2"]) cluster.submit(editId, {}, "u");
    const order: string[] = [];
    for (let turn = 0; turn < 5; turn += 1) {
      const running = [...cluster.state.edits.values()].find(
        ({ record }) => record.tasks.length > 0,
      );
      const editId = running?.record.id ?? "";
      order.push(editId);
      const origin = cluster.from(cluster.task("ingest", undefined, editId), editId);
      cluster.tell({ kind: "task-finished", ...origin, result: { artifactId: "c", files: [] } });
    }
    expect(order).toEqual(["t1", "t2", "u1", "t3", "u2"]);
  });

  it("decides nothing while another coordinator has the store", () => {
    const refused = decide(standby("c"), { kind: "tick" }, 1, defaultOptions);
    expect(refused).toMatchObject({ effects: [], refusal: { reason: "not-active" } });
    const cluster = new ACluster();
    cluster.submit();
    cluster.tell({ kind: "fenced", what: "edit e" });
    expect(cluster.last.effects.map(({ kind }) => kind)).toEqual(["step-down"]);
    expect(cluster.submit("later").refusal?.reason).toBe("not-active");
  });

  it("forgets an edit whose record is gone, and refuses what comes of it", () => {
    const cluster = inverting();
    const task = cluster.task("invert");
    cluster.tell({ kind: "forgotten", editId: "e" });
    expect(cluster.last.effects).toEqual([]);
    const event = { kind: "latents", ...cluster.from(task), latents: at(1) } as const;
    expect(cluster.tell(event).refusal?.reason).toBe("task-stale");
  });

  it("leaves the state it was given as it was, and always says why", () => {
    const cluster = decoding();
    const { state } = cluster;
    const before = JSON.stringify([...state.edits]);
    for (const kind of ["tick", "store-has-room"] as const) {
      expect(decide(state, { kind }, cluster.nowMs, defaultOptions).reason).not.toBe("");
    }
    frame(cluster, 0);
    expect(JSON.stringify([...state.edits])).toBe(before);
    expect(cluster.record().revision).toBe((state.edits.get("e")?.record.revision ?? 0) + 1);
  });
});
