import { describe, expect, it } from "vitest";
import { SmallGraph } from "../testing/small-graph.js";
import { frameCoupling } from "./frame-coupling.js";

describe("frameCoupling", () => {
  it("counts what waits for other ranks, and what comes from them", () => {
    const small = new SmallGraph();
    const attributes = { rank: 1, frameCounts: [2, 2] };
    const x = small.input("x", [2, 6, 5]);
    const shapes = Array.from({ length: 4 }, () => [1, 6, 5]);
    small.node("FrameHalo", [x, x], { attributes, shapes });
    const sites = small.node("FramesToSites", [x], { attributes, shape: [4, 3, 5] });
    const back = small.node("SitesToFrames", [sites], { attributes, shape: [2, 6, 5] });
    const y = small.node("GatherFrames", [back], { attributes, shape: [4, 6, 5] });
    expect(frameCoupling(small.graph({ y }))).toEqual({
      ...{ waits: 4, haloBytes: 4 * 4 * 30, siteBytesPerFrame: 2 * 4 * 30 },
    });
    const alone = new SmallGraph();
    const none = { waits: 0, haloBytes: 0, siteBytesPerFrame: 0 };
    expect(frameCoupling(alone.graph({ y: alone.input("x") }))).toEqual(none);
  });
});
