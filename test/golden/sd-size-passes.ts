import type { WeightLocations } from "@retake/checkpoint";
import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { type UNetConfig, unetInputTensors } from "@retake/model";
import * as tuning from "@retake/model/tuning";
import { lengthOf, relativeError, worstOf } from "./comparison.js";
import { inputsOfPass, shapeOfPass } from "./denoiser.js";
import { type GoldenContext, measuredRow } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import { type JsonObject, jsonObject } from "./json-object.js";
import type { Rows } from "./measurement.js";
import { namedTensor } from "./sd-size-weights.js";
import type { TensorFile } from "./tensor-file.js";

const group = "sd-size";
/** Tokens of the prompts that the authors' text encoder gives. */
const promptTokens = 77;

/** The full-size network and what it is to be compared with. */
export interface SdSize {
  readonly file: TensorFile;
  readonly json: JsonObject;
  readonly config: UNetConfig;
  readonly weights: WeightLocations;
  readonly tensors: HostTensors;
}

/** Inputs of a pass, by the rule that also makes the weights. */
function namedInputs(
  { config }: SdSize,
  pass: { readonly tag: string; readonly json: JsonObject },
): { readonly latents: HostTensor; readonly prompt: HostTensor; readonly noise: HostTensor } {
  const { tag, json } = pass;
  const size = ["frames", "height", "width"].map((key) => Number(json[key]));
  const shape = [1, config.inChannels, ...size];
  const promptShape = [1, promptTokens, config.crossAttentionDim];
  return {
    latents: namedTensor(`input.${tag}.sample`, shape),
    prompt: namedTensor(`input.${tag}.text`, promptShape),
    noise: namedTensor(`input.${tag}.noise`, shape),
  };
}

/** A forward pass: its output, and mean and deviation of each block's output. */
export async function* forwardRows(context: GoldenContext, sdSize: SdSize): Rows {
  const { file, config, weights, tensors } = sdSize;
  const json = jsonObject(sdSize.json.forward);
  if (!file.has("forward.out") || !context.isWanted("forward")) return;
  const blocks = jsonObject(json.blocks);
  const { latents, prompt } = namedInputs(sdSize, { tag: "forward", json });
  const captures = Object.keys(blocks);
  const shape = shapeOfPass(latents, prompt);
  const spec = { kind: "unet", config, shape, captures } as const;
  const timesteps = [Number(json.timestep)];
  const inputs = inputsOfPass(config, { latents, prompt, timesteps, tensors });
  const outputs = await withProgram(context.model.engine, { spec, weights }, (run) => run(inputs));
  yield measuredRow(context, {
    group,
    name: "forward.out",
    quantity: [/^full-size output/],
    error: relativeError(outputOf(outputs, "predictedNoise"), await file.values("forward.out")),
  });
  for (const path of captures) {
    const reference = jsonObject(blocks[path]);
    const found = momentsOf(outputOf(outputs, `act/${path}`));
    const mean = Math.abs(found.mean - Number(reference.mean));
    const deviation = Math.abs(found.deviation - Number(reference.std));
    yield measuredRow(context, {
      group,
      name: `forward/act/${path}`,
      quantity: [/^full-size block outputs/],
      error: Math.max(mean, deviation) / Number(reference.std),
      detail: "mean and deviation, as a share of the deviation",
    });
  }
}

function momentsOf(values: Float32Array): { readonly mean: number; readonly deviation: number } {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, deviation: Math.sqrt(squares / values.length) };
}

/** Loss and gradients: norms, and the first values of each. */
export async function* gradientRows(context: GoldenContext, sdSize: SdSize): Rows {
  const { file, config, weights, tensors } = sdSize;
  const json = jsonObject(sdSize.json.gradient);
  const norms = Object.entries(jsonObject(json.norms));
  if (norms.length === 0 || !context.isWanted("gradient")) return;
  const { latents, prompt, noise } = namedInputs(sdSize, { tag: "grad", json });
  const trainable = tuning.trainableTensors(unetInputTensors(config), "paper");
  const spec = {
    kind: "unet-gradients",
    config,
    shape: shapeOfPass(latents, prompt),
    trainable: trainable.map(({ name }) => name),
    memory: "low",
  } as const;
  const timesteps = [Number(json.timestep)];
  const inputs = inputsOfPass(config, { latents, prompt, timesteps, tensors });
  const outputs = await withProgram(context.model.engine, { spec, weights }, (run) =>
    run({ ...inputs, target: noise }),
  );
  const loss = relativeError(outputOf(outputs, "loss"), [Number(json.loss)]);
  const quantity = [/^full-size gradients/];
  yield measuredRow(context, { group, name: "loss", quantity: [/^full-size loss/], error: loss });
  const normErrors = norms.map(([name, norm]): [string, number] => {
    const length = lengthOf(outputOf(outputs, `grad/${name}`));
    return [name, relativeError([length], [Number(norm)])];
  });
  const worstNorm = worstOf(normErrors);
  yield measuredRow(context, {
    group,
    name: "gradient norms",
    quantity,
    error: worstNorm.error,
    detail: `worst of ${norms.length}: ${worstNorm.name}`,
  });
  const firstErrors: [string, number][] = [];
  for (const [name] of norms.filter(([each]) => file.has(`grad.first4/${each}`))) {
    const reference = await file.values(`grad.first4/${name}`);
    const found = outputOf(outputs, `grad/${name}`).subarray(0, reference.length);
    firstErrors.push([name, relativeError(found, reference)]);
  }
  const worst = worstOf(firstErrors);
  const detail = `worst of ${firstErrors.length}: ${worst.name}`;
  yield measuredRow(context, { group, name: "grad.first4", quantity, error: worst.error, detail });
}
