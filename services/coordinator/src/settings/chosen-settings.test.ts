import { describe, expect, it } from "vitest";
import { cardSettings, chosenSettings, decodeSettings } from "./chosen-settings.js";
import { settingNames, settingSpecs } from "./setting-specs.js";

const machine = { threads: 6 };

describe("chosenSettings", () => {
  it("takes the command line first, then the card, then the paper", () => {
    const chosen = chosenSettings({ steps: 1 }, { steps: 2, guidance: 4 }, machine);
    expect(chosen).toMatchObject({ steps: 1, guidance: 4, ddim: 50 });
  });

  it("has the paper's values where nobody says anything", () => {
    expect(chosenSettings({}, {}, machine)).toEqual({
      ...{ frames: 8, stride: 1, start: "0", size: undefined, fit: "crop" },
      ...{ steps: 300, rate: 3e-5, draws: 1, mode: "paper", temporalStart: "no-op" },
      ...{ memory: "fast", ddim: 50, guidance: 12.5, strength: 1, seed: 33 },
      ...{ engine: "onnx-cpu", threads: 6, batch: 1 },
    });
  });

  it("takes zero for an answer", () => {
    expect(chosenSettings({ steps: 0, seed: 0 }, { steps: 9 }, machine)).toMatchObject({
      ...{ steps: 0, seed: 0 },
    });
  });
});

describe("decodeSettings", () => {
  it("reads every setting that it has written, whatever it is", () => {
    const written = JSON.parse(
      JSON.stringify({ ...chosenSettings({ size: "64x32" }, {}, machine), start: "1.5s" }),
    );
    expect(decodeSettings(written, "x")).toEqual(written);
    expect(Object.keys(written).sort()).toEqual([...settingNames].sort());
  });

  it("refuses names that are no settings, values that are wrong, and what is no object", () => {
    expect(() => decodeSettings({ step: 3 }, "card")).toThrow(/card: expected settings .*"step"/);
    expect(() => decodeSettings({ steps: -3 }, "card")).toThrow("card: steps: expected");
    expect(() => decodeSettings({ constructor: 3 }, "card")).toThrow('"constructor"');
    for (const wrong of [null, [], "steps", 3]) {
      expect(() => decodeSettings(wrong, "card")).toThrow("expected an object");
    }
  });
});

describe("cardSettings", () => {
  it("is empty without a card, or without defaults in it", () => {
    expect(cardSettings(undefined, "card")).toEqual({});
    expect(cardSettings({ about: "nothing" }, "card")).toEqual({});
    expect(cardSettings({ defaults: { steps: 3 } }, "card")).toEqual({ steps: 3 });
  });
});

describe("settingSpecs", () => {
  it("has the option's name as its own, and a default that it would take itself", () => {
    for (const name of settingNames) {
      const { flags, fallback, decode } = settingSpecs[name];
      const dashed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      expect(flags).toMatch(new RegExp(`^--${dashed} <`));
      if (fallback !== undefined) expect(decode(fallback, name)).toBe(fallback);
    }
  });
});
