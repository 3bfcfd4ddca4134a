import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  keyOfSeed,
  Purpose,
  type RandomStream,
  randomInteger,
  randomNormals,
  randomUniforms,
  randomWords,
} from "./random-stream.js";

const stream = (changes: Partial<RandomStream> = {}): RandomStream => ({
  seed: 33,
  purpose: Purpose.Noise,
  position: [0, 0],
  ...changes,
});
const digest = (values: Float32Array): string =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, 0, values.byteLength))
    .digest("hex");
const mean = (values: Float32Array, power = 1): number =>
  values.reduce((sum, value) => sum + value ** power, 0) / values.length;

describe("keyOfSeed", () => {
  it("splits a seed into its lower and upper word", () => {
    expect(keyOfSeed(33)).toEqual([33, 0]);
    expect(keyOfSeed(2 ** 53 - 1)).toEqual([0xffffffff, 0x1fffff]);
    expect(keyOfSeed((1n << 64n) - 1n)).toEqual([0xffffffff, 0xffffffff]);
  });

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -1n, 1n << 64n])(
    "refuses %s",
    (seed) => {
      expect(() => keyOfSeed(seed)).toThrow(/seed: expected an integer/);
    },
  );
});

describe("randomWords", () => {
  it("begins a stream with the words of its first block", () => {
    const zero = stream({ seed: 0, purpose: 0 });
    expect(Array.from(randomWords(zero, 2))).toEqual([0x6627e8d5, 0xe169c58d]);
  });

  it("gives other words for another seed, purpose, or position", () => {
    const streams = [
      stream(),
      stream({ seed: 34 }),
      stream({ seed: 33n + (1n << 32n) }),
      stream({ purpose: Purpose.PosteriorNoise }),
      stream({ position: [1, 0] }),
      stream({ position: [0, 1] }),
    ];
    const first = streams.map((each) => randomWords(each, 4).join());
    expect(new Set(first).size).toBe(streams.length);
  });

  it("gives the same beginning however many words are asked for", () => {
    const long = randomWords(stream(), 103);
    for (const count of [0, 1, 3, 4, 5, 102]) {
      expect(randomWords(stream(), count)).toEqual(long.slice(0, count));
    }
  });
});

describe("randomInteger", () => {
  const integers = (limit: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => randomInteger(stream({ position: [i, 7] }), limit));

  it("reaches every value equally often", () => {
    const counts = new Array<number>(5).fill(0);
    for (const value of integers(5, 20_000)) counts[value] = (counts[value] ?? 0) + 1;
    for (const count of counts) expect(Math.abs(count - 4000)).toBeLessThan(250);
  });

  it("passes over words that would favour small values", () => {
    // 3 * 2^30 fits once into 2^32; by remainder alone a third would come twice as often.
    const limit = 3 * 2 ** 30;
    const below = integers(limit, 4000).filter((value) => value < 2 ** 30).length;
    expect(Math.abs(below - 4000 / 3)).toBeLessThan(120);
  });

  it("takes its limits: one value, and all 2^32", () => {
    expect(randomInteger(stream(), 1)).toBe(0);
    expect(randomInteger(stream(), 2 ** 32)).toBe(randomWords(stream(), 1)[0]);
  });
});

describe("randomUniforms", () => {
  it("fills the open interval evenly", () => {
    const values = randomUniforms(stream(), { count: 100_000, bound: 0.25 });
    expect(Math.max(...values.slice(0, 50_000))).toBeLessThan(0.25);
    expect(Math.abs(mean(values))).toBeLessThan(1e-3);
    expect(mean(values, 2)).toBeCloseTo(0.0625 / 3, 4);
  });
});

describe("randomNormals", () => {
  const million = randomNormals(stream(), 1_000_000);

  it("has the moments of the standard normal distribution", () => {
    expect(Math.abs(mean(million))).toBeLessThan(4e-3);
    expect(mean(million, 2)).toBeCloseTo(1, 2);
    expect(Math.abs(mean(million, 3))).toBeLessThan(0.01);
    expect(mean(million, 4)).toBeCloseTo(3, 1);
  });

  it("has its tails", () => {
    const beyond = (limit: number): number =>
      million.filter((value) => Math.abs(value) > limit).length / million.length;
    expect(beyond(1)).toBeCloseTo(0.3173, 2);
    expect(beyond(2)).toBeCloseTo(0.0455, 2);
    expect(beyond(4)).toBeGreaterThan(3e-5);
  });

  it("gives the same bits on every platform and Node version", () => {
    expect(digest(million)).toBe(
      "aeb82be7ff8d63c74f0b8dcdc3428654695a9437b94742601b9be98ffe725332",
    );
  });

  it("gives an odd count as the beginning of a longer one", () => {
    expect(randomNormals(stream(), 7)).toEqual(million.slice(0, 7));
  });
});
