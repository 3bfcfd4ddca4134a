import { textTensors, vaeTensors } from "@retake/model";
import { tensorsOfVector, vectorLayout } from "@retake/model/tuning";
import { describe, expect, it } from "vitest";
import { initialWeights } from "./initial-weights.js";
import { fullRecipe, networksOf } from "./recipe.js";

const { vae, text } = networksOf(fullRecipe);
const layout = vectorLayout([...vaeTensors(vae), ...textTensors(text)]);
const tensors = tensorsOfVector(layout, initialWeights(layout, 33n));
const spread = (name: string): number => {
  const values = tensors.get(name) ?? new Float32Array();
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
};

describe("initialWeights", () => {
  it("begins norms as the identity", () => {
    for (const [name, values] of tensors) {
      if (/norm[^.]*\.weight$/.test(name)) expect(new Set(values), name).toEqual(new Set([1]));
      if (/norm[^.]*\.bias$/.test(name)) expect(new Set(values), name).toEqual(new Set([0]));
    }
  });

  it("keeps layers and their biases within 1/sqrt(fanIn), evenly", () => {
    const conv = "decoder.mid_block.resnets.0.conv1";
    const bound = 1 / Math.sqrt(64 * 9);
    for (const name of [`${conv}.weight`, `${conv}.bias`]) {
      const values = tensors.get(name) ?? new Float32Array();
      expect(Math.max(...values.map(Math.abs))).toBeLessThan(bound);
    }
    expect(spread(`${conv}.weight`)).toBeCloseTo(bound / Math.sqrt(3), 3);
  });

  it("tells words apart early, and begins with narrow posteriors", () => {
    expect(spread("text_model.embeddings.token_embedding.weight")).toBeCloseTo(0.3, 2);
    expect([...(tensors.get("quant_conv.bias") ?? [])].slice(4)).toEqual([-6, -6, -6, -6]);
  });

  it("follows the seed", () => {
    const bytes = (seed: bigint): Buffer => Buffer.from(initialWeights(layout, seed).buffer);
    expect(bytes(33n).equals(bytes(33n))).toBe(true);
    expect(bytes(34n).equals(bytes(33n))).toBe(false);
  });
});
