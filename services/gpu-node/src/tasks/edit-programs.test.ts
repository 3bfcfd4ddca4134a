import { describe, expect, it } from "vitest";
import { counted, fakeEngine, fakeFiles, filled } from "../testing/fake-model.js";
import { drawSpec } from "./draw-inputs.js";
import { editPrograms, prepareEdit, type WorkSizes } from "./edit-programs.js";
import { openModel } from "./open-model.js";
import { tuningLayout } from "./tuned-tensors.js";
import { shapeOfPass } from "./unet-pass.js";

const sizes: WorkSizes = {
  ...{ frames: 3, height: 4, width: 8, branches: 1, framesPerPass: 1 },
  tuning: { mode: "paper", memory: "fast" },
};
const allPasses = ["text", "vae-encode", "vae-decode", "unet", "unet-gradients"] as const;

describe("editPrograms", () => {
  it("are the ones that the tasks ask for, to the letter", () => {
    const files = fakeFiles();
    const model = openModel(
      files,
      fakeEngine(() => ({})),
    );
    const [mean, prompt] = [counted([1, 4, 3, 2, 4]), filled([1, 4, 4], 0)];
    const shape = shapeOfPass({ latents: mean, prompts: [prompt] });
    const draws = drawSpec(model, {
      ...{ moments: { mean, logVariance: mean }, prompt, layout: tuningLayout(files, "paper") },
      ...{ seed: 1, memory: "fast" },
    });
    const asked = [draws, { kind: "unet", config: files.unetConfig, shape }];
    const specs = editPrograms(files, sizes).map((spec) => JSON.stringify(spec));
    expect(specs).toHaveLength(5);
    for (const spec of asked) expect(specs).toContain(JSON.stringify(spec));
  });

  it("leaves out gradients where nothing is tuned", () => {
    const specs = editPrograms(fakeFiles(), { ...sizes, tuning: undefined });
    expect(specs.map(({ kind }) => kind)).toEqual(["text", "vae-encode", "unet", "vae-decode"]);
  });
});

describe("prepareEdit", () => {
  const prepared = (weightBytes: number, passes: Parameters<typeof prepareEdit>[1]["passes"]) => {
    const loads: string[] = [];
    const engine = fakeEngine(() => ({}));
    const load: typeof engine.load = (spec, weights) => {
      loads.push(spec.kind);
      return engine.load(spec, weights);
    };
    const location = { file: "/w", offset: 0, byteLength: weightBytes, shape: [1] };
    const unet = new Map([["w", { ...location, dtype: "F32" as const }]]);
    const files = { ...fakeFiles(), weights: { unet, vae: new Map(), text: new Map() } };
    prepareEdit(openModel(files, { ...engine, load }), { ...sizes, passes });
    return loads;
  };

  it("loads the passes of a small model in the order of an edit", () => {
    const order = ["text", "vae-encode", "unet-gradients", "unet", "vae-decode"];
    expect(prepared(64 * 2 ** 20, allPasses)).toEqual(order);
    expect(prepared(4, ["unet", "text"])).toEqual(["text", "unet"]);
  });

  it("leaves those of a large model alone", () => {
    expect(prepared(64 * 2 ** 20 + 1, allPasses)).toEqual([]);
  });
});
