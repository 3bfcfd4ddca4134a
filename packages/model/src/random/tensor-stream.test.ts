import { describe, expect, it } from "vitest";
import { Purpose } from "./random-stream.js";
import { tensorStream } from "./tensor-stream.js";

const purpose = Purpose.TemporalInitialisation;
const hashOf = (name: string): string => {
  const [low, high] = tensorStream({ seed: 1, purpose, name }).position;
  return [high, low].map((word) => word.toString(16).padStart(8, "0")).join("");
};

describe("tensorStream", () => {
  // Published values of FNV-1a, 64 bit.
  it.each([
    ["", "cbf29ce484222325"],
    ["a", "af63dc4c8601ec8c"],
    ["foobar", "85944171f73967e8"],
  ])("places %j at its hash", (name, hash) => {
    expect(hashOf(name)).toBe(hash);
  });
});
