import { describe, expect, it } from "vitest";
import { clipSizeOf, clipStartOf } from "./clip-places.js";
import { clipSpecs } from "./setting-specs.js";

describe("clipStartOf", () => {
  it("tells frames from moments", () => {
    expect([clipStartOf("12"), clipStartOf("1.5s")]).toEqual([{ frame: 12 }, { seconds: 1.5 }]);
  });

  it.each(["", "s", "-1", "1.5", "1e3", "12 s"])("is not asked for %j", (text) => {
    expect(() => clipSpecs.start.decode(text, "--start")).toThrow("a frame such as 12");
  });
});

describe("clipSizeOf", () => {
  it("is width, then height", () => {
    expect(clipSizeOf("512x320")).toEqual({ width: 512, height: 320 });
  });

  it.each(["512", "0x8", "8x", "x8", "8X8", "8x8x8", "999999x8"])("is not asked for %j", (text) => {
    expect(() => clipSpecs.size.decode(text, "--size")).toThrow("such as 512x512");
  });
});
