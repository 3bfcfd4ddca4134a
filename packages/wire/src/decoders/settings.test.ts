import { describe, expect, it } from "vitest";
import { Settings } from "../generated/retake/v1/settings.js";
import { decodeSamplingSettings, decodeTuningSettings } from "./settings.js";

const refused = expect.objectContaining({ reason: "bad-message" });
const settings: Settings = Settings.fromPartial({
  ...{ steps: 300, rate: 3e-5, draws: 4, mode: "paper", temporalStart: "no-op", memory: "low" },
  ...{ seed: 33, ddim: 50, guidance: 12.5, strength: 1, batch: 1 },
});
const sent = (changed: Partial<Settings>): Settings =>
  Settings.decode(Settings.encode({ ...settings, ...changed }).finish());

describe("decodeTuningSettings", () => {
  it("takes settings as they were sent", () => {
    expect(decodeTuningSettings(sent({}))).toEqual({
      ...{ steps: 300, rate: 3e-5, draws: 4, mode: "paper", temporalStart: "no-op" },
      ...{ memory: "low", seed: 33 },
    });
    expect(decodeTuningSettings(sent({ steps: 0 })).steps).toBe(0);
  });

  it.each([
    { steps: undefined },
    { steps: 1_000_001 },
    { rate: 0 },
    { rate: Number.NaN },
    { rate: 1.5 },
    { draws: 0 },
    { draws: 1025 },
    { mode: "Paper" },
    { temporalStart: undefined },
    { memory: "" },
    { seed: undefined },
  ])("refuses %o", (wrong) => {
    expect(() => decodeTuningSettings(sent(wrong))).toThrow(refused);
  });

  it("refuses no settings at all", () => {
    expect(() => decodeTuningSettings(undefined)).toThrow(refused);
  });
});

describe("decodeSamplingSettings", () => {
  it("takes settings as they were sent", () => {
    expect(decodeSamplingSettings(sent({}))).toEqual({
      ...{ ddim: 50, guidance: 12.5, strength: 1, batch: 1, seed: 33, temporalStart: "no-op" },
    });
  });

  it.each([
    { ddim: 0 },
    { ddim: 100_001 },
    { guidance: 0.9 },
    { guidance: Number.POSITIVE_INFINITY },
    { strength: 0 },
    { strength: 1.01 },
    { batch: 0 },
    { batch: 65 },
    { seed: undefined },
    { temporalStart: "" },
  ])("refuses %o", (wrong) => {
    expect(() => decodeSamplingSettings(sent(wrong))).toThrow(refused);
  });
});
