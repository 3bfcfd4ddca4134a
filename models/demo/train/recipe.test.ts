import { describe, expect, it } from "vitest";
import {
  fullRecipe,
  latentsHash,
  phaseHash,
  phaseNames,
  picturesHash,
  type Recipe,
  type StrangerSettings,
  withSteps,
} from "./recipe.js";

const changedBy = (steps: Parameters<typeof withSteps>[1]): readonly string[] =>
  phaseNames.filter(
    (phase) => phaseHash(withSteps(fullRecipe, steps), phase) !== phaseHash(fullRecipe, phase),
  );

describe("phaseHash", () => {
  it("changes with the settings of the phase and of those before it, with no others", () => {
    expect(changedBy({})).toEqual([]);
    expect(changedBy({ vae: 7 })).toEqual(["vae", "unet", "clip", "decoder"]);
    expect(changedBy({ unet: 7 })).toEqual(["unet", "clip"]);
    expect(changedBy({ clip: 7 })).toEqual(["clip"]);
    expect(changedBy({ decoder: 7 })).toEqual(["decoder"]);
  });

  it("changes with the strangers in the phase that shows them only", () => {
    const withStrangers = (change: Partial<StrangerSettings>): Recipe => {
      const { clip } = fullRecipe.phases;
      const strangers = { ...clip.strangers, ...change };
      return { ...fullRecipe, phases: { ...fullRecipe.phases, clip: { ...clip, strangers } } };
    };
    const [more, rarer] = [withStrangers({ clips: 7 }), withStrangers({ share: 0.1 })];
    for (const recipe of [more, rarer]) {
      const changed = phaseNames.filter((p) => phaseHash(recipe, p) !== phaseHash(fullRecipe, p));
      expect(changed).toEqual(["clip"]);
    }
    for (const hash of [picturesHash, latentsHash]) {
      expect(hash(more)).not.toBe(hash(fullRecipe));
      expect(hash(rarer)).toBe(hash(fullRecipe));
    }
  });

  it("changes with what all phases share", () => {
    const other = { ...fullRecipe, seed: 34 };
    const hashes = phaseNames.map((phase) => phaseHash(other, phase));
    expect(new Set([...hashes, ...phaseNames.map((p) => phaseHash(fullRecipe, p))]).size).toBe(8);
  });
});
