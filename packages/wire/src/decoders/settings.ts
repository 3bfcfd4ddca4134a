import type { Settings } from "../generated/retake/v1/settings.js";
import { badMessage, finiteNumber, wholeNumber } from "./bad-message.js";

/** What tuning needs of an edit's settings; every one is given, since a record holds them all. */
export interface TuningSettings {
  readonly steps: number;
  readonly rate: number;
  readonly draws: number;
  readonly mode: "paper" | "reference";
  readonly temporalStart: "no-op" | "authors";
  readonly memory: "fast" | "low";
  readonly seed: number;
}

/** What inversion, sampling and the VAE need of them. */
export interface SamplingSettings {
  readonly ddim: number;
  readonly guidance: number;
  readonly strength: number;
  readonly batch: number;
  readonly seed: number;
  readonly temporalStart: "no-op" | "authors";
}

// The limits are those of the command line's settings.
const stepsMax = 1_000_000;
const drawsMax = 1024;
const iterationsMax = 100_000;
const guidanceMax = 1000;
const batchMax = 64;

/** @throws RetakeError  `bad-message` for one that is missing or out of range */
export function decodeTuningSettings(settings: Settings | undefined): TuningSettings {
  return {
    steps: wholeNumber(settings?.steps, { subject: "steps", min: 0, max: stepsMax }),
    rate: above0(settings?.rate, "rate"),
    draws: wholeNumber(settings?.draws, { subject: "draws", min: 1, max: drawsMax }),
    mode: oneOf(settings?.mode, { subject: "mode", choices: ["paper", "reference"] }),
    temporalStart: temporalStartOf(settings),
    memory: oneOf(settings?.memory, { subject: "memory", choices: ["fast", "low"] }),
    seed: seedOf(settings),
  };
}

/** @throws RetakeError  `bad-message` for one that is missing or out of range */
export function decodeSamplingSettings(settings: Settings | undefined): SamplingSettings {
  return {
    ddim: wholeNumber(settings?.ddim, { subject: "ddim", min: 1, max: iterationsMax }),
    guidance: finiteNumber(settings?.guidance, { subject: "guidance", min: 1, max: guidanceMax }),
    strength: above0(settings?.strength, "strength"),
    batch: wholeNumber(settings?.batch, { subject: "batch", min: 1, max: batchMax }),
    seed: seedOf(settings),
    temporalStart: temporalStartOf(settings),
  };
}

function seedOf(settings: Settings | undefined): number {
  return wholeNumber(settings?.seed, { subject: "seed", min: 0, max: Number.MAX_SAFE_INTEGER });
}

function temporalStartOf(settings: Settings | undefined): "no-op" | "authors" {
  const choices = ["no-op", "authors"] as const;
  return oneOf(settings?.temporalStart, { subject: "temporal start", choices });
}

/** Above 0, up to 1. */
function above0(value: number | undefined, subject: string): number {
  if (value !== 0) return finiteNumber(value, { subject, min: 0, max: 1 });
  throw badMessage(subject, { expected: "a number above 0 and up to 1", got: value });
}

function oneOf<Choice extends string>(
  value: string | undefined,
  { subject, choices }: { readonly subject: string; readonly choices: readonly Choice[] },
): Choice {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw badMessage(subject, { expected: `one of ${choices.join(", ")}`, got: value });
}
