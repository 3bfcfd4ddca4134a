import { describe, expect, it } from "vitest";
import { decodePoolName } from "./pool-name.js";

describe("decodePoolName", () => {
  it("takes the two kinds that have a scale, by the names that kubectl has for them", () => {
    const kind = (text: string) => decodePoolName(text, { flag: "--pool" });
    expect(kind("statefulset/gpu-node")).toEqual({ kind: "stateful-set", name: "gpu-node" });
    expect(kind("leaderworkerset/a.b-1")).toEqual({ kind: "leader-worker-set", name: "a.b-1" });
  });

  it.each([
    ...["", "gpu-node", "statefulset/", "statefulset/../pods", "deployment/x", "statefulset/A"],
    ...[`statefulset/${"a".repeat(64)}`, "statefulset/a/scale", "constructor/a"],
  ])("refuses %j with a sentence", (text) => {
    expect(() => decodePoolName(text, { flag: "--pool" })).toThrow(
      "--pool: expected statefulset/NAME or leaderworkerset/NAME, got",
    );
  });
});
