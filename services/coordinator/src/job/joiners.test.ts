import { describe, expect, it } from "vitest";
import type { NodeRates } from "./cluster-state.js";
import { ACluster } from "./testing/a-cluster.js";
import { someSettings } from "./testing/an-edit.js";

/** Four draws of a second each; every step, half of 4 MB and as much again crosses. */
const models = [
  {
    hash: "m",
    name: "M",
    tunedParameters: 1e6,
    frameCoupling: null,
    passMemory: [],
    passFlops: [],
  },
];
const ratesAt = (bytesPerSecond: number, drawMs = 1_000): NodeRates => ({
  ...{ flopsPerSecond: 1, bytesPerSecond, roundTripMs: 1 },
  passes: [
    {
      ...{ modelHash: "m", kind: "gradients", frames: 2, pixelsPerFrame: 64 },
      ...{ durationMs: drawMs, passesAtOnce: 1 },
    },
  ],
});
const [fast, slow] = [1e9, 1e4];

function tuningAlone(change: Parameters<ACluster["untilTune"]>[0] = {}, bytesPerSecond = fast) {
  const cluster = new ACluster();
  cluster.join("a", { models }, ratesAt(bytesPerSecond));
  cluster.untilTune({ settings: { ...someSettings, draws: 4, steps: 9 }, ...change });
  cluster.ready("a", 0);
  return cluster;
}

/** The members after a step. */
function afterStep(cluster: ACluster, step: number): readonly string[] {
  const { members } = cluster.tune();
  for (const { nodeId } of members) cluster.reduced(nodeId, step);
  cluster.written(step);
  return cluster.tune().members.map(({ nodeId }) => nodeId);
}

describe("joinersFor", () => {
  it("takes in an idle node with which the tuning ends sooner, and names it in the layout", () => {
    const cluster = tuningAlone();
    cluster.join("b", { models }, ratesAt(fast));
    expect(afterStep(cluster, 0)).toEqual(["a", "b"]);
    const [report] = cluster.record().layouts.filter(({ phase }) => phase === "tune");
    expect(report).toMatchObject({ layout: "draws", nodeIds: ["a", "b"] });
  });

  it("leaves out one whose link would make every step slower, and forms no quorum for it", () => {
    const cluster = tuningAlone({}, slow);
    cluster.join("b", { models }, ratesAt(slow));
    const { quorumId } = cluster.record().tuning;
    expect(afterStep(cluster, 0)).toEqual(["a"]);
    expect(afterStep(cluster, 1)).toEqual(["a"]);
    expect(cluster.record().tuning.quorumId).toBe(quorumId);
  });

  it("leaves out one that computes so slowly that the others would wait for it", () => {
    const cluster = tuningAlone();
    cluster.join("b", { models }, ratesAt(fast, 5_000));
    expect(afterStep(cluster, 0)).toEqual(["a"]);
    cluster.join("c", { models }, ratesAt(fast));
    expect(afterStep(cluster, 1)).toEqual(["a", "c"]);
  });

  it("leaves it when copying the state takes longer than the rest of the tuning", () => {
    const settings = { ...someSettings, draws: 4, steps: 2 };
    // Three vectors of 4 MB at 10 MB/s: 1.2 s to copy. A step alone is 4 s, of two 2 s and 0.8 s.
    const near = tuningAlone({ settings }, 1e7);
    near.join("b", { models }, ratesAt(1e7));
    expect(afterStep(near, 0)).toEqual(["a"]);
    const far = tuningAlone({ settings: { ...settings, steps: 9 } }, 1e7);
    far.join("b", { models }, ratesAt(1e7));
    expect(afterStep(far, 0)).toEqual(["a", "b"]);
  });

  it("takes in whoever is idle where draws over nodes were asked for, however slow", () => {
    const cluster = tuningAlone({ layout: "draws" }, slow);
    for (const nodeId of ["b", "c"]) cluster.join(nodeId, { models }, ratesAt(slow));
    expect(afterStep(cluster, 0)).toEqual(["a", "b", "c"]);
  });

  it("keeps to one node where that was asked for", () => {
    const cluster = tuningAlone({ layout: "one" });
    cluster.join("b", { models }, ratesAt(fast));
    expect(afterStep(cluster, 0)).toEqual(["a"]);
  });

  it("takes in all that there are draws for while nothing is measured", () => {
    const cluster = new ACluster();
    cluster.join("a", { models });
    cluster.untilTune({ settings: { ...someSettings, draws: 2, steps: 3 } });
    cluster.ready("a", 0);
    for (const nodeId of ["b", "c"]) cluster.join(nodeId, { models });
    expect(afterStep(cluster, 0)).toEqual(["a", "b"]);
  });
});
