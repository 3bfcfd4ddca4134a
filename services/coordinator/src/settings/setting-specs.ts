import { choice, patterned, realNumber, wholeNumber } from "./decode-setting.js";

/** As the gpu-node knows them; written out so that `--help` need not load it. */
const engineNames = ["onnx-cpu", "onnx-webgpu", "onnx-cuda", "tfjs"] as const;

/** Whether an engine is one that `--engine` takes. */
export function isEngineName(name: string): boolean {
  return engineNames.some((known) => known === name);
}

/** How the clip is cut out of the video. */
export const clipSpecs = {
  frames: wholeNumber({
    ...{ flags: "--frames <count>", help: "frames of the clip", fallback: 8 },
    ...{ min: 1, max: 4096 },
  }),
  stride: wholeNumber({
    ...{ flags: "--stride <count>", help: "take every n-th frame", fallback: 1 },
    ...{ min: 1, max: 1_000_000 },
  }),
  start: patterned({
    ...{ flags: "--start <where>", help: "first frame (12), or its time (1.5s)", fallback: "0" },
    pattern: /^(\d{1,7}|\d{1,7}(\.\d{1,6})?s)$/,
    expected: "a frame such as 12, or a time such as 1.5s",
  }),
  size: patterned({
    flags: "--size <WxH>",
    help: "width and height in pixels, multiples of 8 (default: as the model was made for)",
    pattern: /^[1-9]\d{0,4}x[1-9]\d{0,4}$/,
    expected: "width and height in pixels, such as 512x512",
  }),
  fit: choice({
    flags: "--fit <how>",
    help: "crop, letterbox, or stretch as the authors do; also --letterbox, --stretch",
    fallback: "crop",
    choices: ["crop", "letterbox", "stretch"],
  }),
};

/** How the model is tuned on the clip. */
export const tuningSpecs = {
  steps: wholeNumber({
    ...{ flags: "--steps <count>", help: "updates; 0 does not tune", fallback: 300 },
    ...{ min: 0, max: 1_000_000 },
  }),
  rate: realNumber({
    ...{ flags: "--rate <number>", help: "learning rate of AdamW", fallback: 3e-5 },
    ...{ min: 0, max: 1, above: true },
  }),
  draws: wholeNumber({
    ...{ flags: "--draws <count>", help: "draws whose gradients make one step", fallback: 1 },
    ...{ min: 1, max: 1024 },
  }),
  mode: choice({
    flags: "--mode <name>",
    help: "paper tunes all that the paper names; reference what the authors' run really tunes",
    fallback: "paper",
    choices: ["paper", "reference"],
  }),
  temporalStart: choice({
    flags: "--temporal-start <name>",
    help: "no-op: the new layers change nothing at first; authors: their random bias",
    fallback: "no-op",
    choices: ["no-op", "authors"],
  }),
  memory: choice({
    flags: "--memory <how>",
    help: "fast keeps activations for the backward pass; low computes them again",
    fallback: "fast",
    choices: ["fast", "low"],
  }),
};

/** How edits are sampled. */
export const samplingSpecs = {
  ddim: wholeNumber({
    ...{ flags: "--ddim <count>", help: "iterations of inversion and of sampling", fallback: 50 },
    ...{ min: 1, max: 100_000 },
  }),
  guidance: realNumber({
    ...{ flags: "--guidance <number>", help: "weight of the prompt; 1 is off", fallback: 12.5 },
    ...{ min: 1, max: 1000 },
  }),
  strength: realNumber({
    flags: "--strength <number>",
    help: "how far to go towards noise: 1 all the way, 0.5 keeps more of the source",
    ...{ fallback: 1, min: 0, max: 1, above: true },
  }),
};

/** What it all runs on. */
export const runSpecs = {
  seed: wholeNumber({
    ...{ flags: "--seed <number>", help: "of every random number", fallback: 33 },
    ...{ min: 0, max: Number.MAX_SAFE_INTEGER },
  }),
  engine: choice({
    flags: "--engine <name>",
    help: `${engineNames.join(", ")}; retake doctor says which are there`,
    fallback: "onnx-cpu",
    choices: engineNames,
  }),
  threads: wholeNumber({
    ...{ flags: "--threads <count>", help: "threads of a pass (default: one a core)" },
    ...{ min: 1, max: 1024 },
  }),
  batch: wholeNumber({
    flags: "--batch <count>",
    help: "frames in one pass of the VAE, and from 2 both guidance branches in one: other bits",
    ...{ fallback: 1, min: 1, max: 64 },
  }),
};

export const settingSpecs = { ...clipSpecs, ...tuningSpecs, ...samplingSpecs, ...runSpecs };

export type SettingName = keyof typeof settingSpecs;
/** Every setting, with its value. */
export type Settings = {
  readonly [Name in SettingName]: ReturnType<(typeof settingSpecs)[Name]["decode"]>;
};
export type PartialSettings = { readonly [Name in SettingName]?: Settings[Name] | undefined };

export const settingNames = Object.keys(settingSpecs) as readonly SettingName[];

/** Whether a name is that of a setting. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingSpecs, name);
}
