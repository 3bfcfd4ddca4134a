import { describe, expect, it } from "vitest";
import { timestepSinusoid } from "./timestep-sinusoid.js";

const options = { blockOutChannels: [320, 640], flipSinToCos: true, freqShift: 0 };

describe("timestepSinusoid", () => {
  it("gives the reference's values at timestep 981, to what float32 angles are off", () => {
    const row = timestepSinusoid(options, [981]);
    const reference = [0.679957, -0.798429, 0.578064, 0.733252, 0.602089, 0.815991];
    const found = [...row.slice(0, 3), ...row.slice(160, 163)];
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(reference[i] ?? 0, 4);
  });

  it("puts sines first where the config does not flip them", () => {
    const flipped = timestepSinusoid(options, [7, 981]);
    const plain = timestepSinusoid({ ...options, flipSinToCos: false }, [7, 981]);
    for (const row of [0, 320]) {
      expect(plain.slice(row, row + 160)).toEqual(flipped.slice(row + 160, row + 320));
      expect(plain.slice(row + 160, row + 320)).toEqual(flipped.slice(row, row + 160));
    }
  });

  it("has cosine 1 and sine 0 at timestep 0", () => {
    const row = timestepSinusoid({ ...options, blockOutChannels: [4] }, [0]);
    expect(Array.from(row)).toEqual([1, 1, 0, 0]);
  });

  it("ends at frequency 1/10000 when shifted by one", () => {
    const row = timestepSinusoid({ ...options, blockOutChannels: [4], freqShift: 1 }, [1]);
    expect(row[1]).toBeCloseTo(Math.cos(1e-4), 7);
    expect(row[3]).toBeCloseTo(1e-4, 9);
  });
});
