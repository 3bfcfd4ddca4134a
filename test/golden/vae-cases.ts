import type { WeightLocations } from "@retake/checkpoint";
import { relativeError } from "./comparison.js";
import { type GoldenContext, guarded, measuredRow, skippedRow } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import type { Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";

const group = "vae";

/** Encoder and decoder, for every case and every file of weights. */
export async function* vaeCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  if (file === undefined) {
    yield skippedRow({ group, name: "all", reason: "there is no vae.safetensors" });
    return;
  }
  const cases = new Set(file.names.map((name) => name.slice(0, name.lastIndexOf("."))));
  for (const [vaeFile, weights] of context.model.vaeWeights) {
    for (const name of [...cases].filter(context.isWanted)) {
      const each = { name, vaeFile, weights };
      yield* guarded({ group, name }, encoderRows(context, file, each));
      yield* guarded({ group, name }, decoderRows(context, file, each));
    }
  }
}

interface VaeCase {
  readonly name: string;
  readonly vaeFile: string;
  readonly weights: WeightLocations;
}

async function* encoderRows(context: GoldenContext, file: TensorFile, each: VaeCase): Rows {
  const { name, vaeFile, weights } = each;
  if (!file.has(`${name}.pixels`)) return;
  const { engine, vaeConfig: config } = context.model;
  const pixels = await file.tensor(`${name}.pixels`);
  const [frames = 0, , height = 0, width = 0] = pixels.shape;
  const spec = { kind: "vae-encode", config, frames, height, width } as const;
  const outputs = await withProgram(engine, { spec, weights }, (run) => run({ pixels }));
  for (const output of ["mean", "logvar"]) {
    if (!file.has(`${name}.${output}`)) continue;
    yield measuredRow(context, {
      group,
      name: `${name}.${output}`,
      quantity: [new RegExp(output)],
      error: relativeError(outputOf(outputs, output), await file.values(`${name}.${output}`)),
      detail: vaeFile,
    });
  }
}

async function* decoderRows(context: GoldenContext, file: TensorFile, each: VaeCase): Rows {
  const { name, vaeFile, weights } = each;
  if (!file.has(`${name}.latent`)) return;
  const { engine, vaeConfig: config } = context.model;
  const latents = await file.tensor(`${name}.latent`);
  const [frames = 0, , height = 0, width = 0] = latents.shape;
  const spec = { kind: "vae-decode", config, frames, height, width } as const;
  const outputs = await withProgram(engine, { spec, weights }, (run) => run({ latents }));
  yield measuredRow(context, {
    group,
    name: `${name}.decoded`,
    quantity: [/decode/],
    error: relativeError(outputOf(outputs, "pixels"), await file.values(`${name}.decoded`)),
    detail: vaeFile,
  });
}
