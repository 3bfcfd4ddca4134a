import { basename, extname, join } from "node:path";
import { badUsage, checkPrompts } from "@retake/coordinator/settings";
import type { Job } from "../pipeline/job.js";
import {
  givenSettings,
  type RawOptions,
  snapshotEverySpec,
  stopSpec,
  textOption,
} from "./option-groups.js";

/**
 * What a command line asks for.
 *
 * @throws RetakeError  `bad-option`, `prompt-empty`, `prompt-too-long`
 */
export function jobOfOptions(command: Job["command"], clipPath: string, options: RawOptions): Job {
  const prompts = promptsOf(options);
  const source = textOption(options, "source");
  const negative = textOption(options, "negative") ?? "";
  const isTuning = command === "edit" || command === "tune";
  const isSampling = command === "edit" || command === "sample";
  checkPrompts({
    ...(isTuning ? { source } : {}),
    ...(isSampling ? { prompts } : {}),
    negative,
  });
  const snapshotEvery = options.snapshotEvery ?? snapshotEverySpec.fallback ?? 1;
  return {
    ...{ command, clipPath, source, prompts, negative },
    model: {
      source: modelOf(options),
      revision: textOption(options, "revision"),
      offline: options.offline === true,
    },
    given: givenSettings(options),
    deltaPath: textOption(options, "delta"),
    latentsPath: textOption(options, "latents"),
    outPath: textOption(options, "out") ?? defaultOut(clipPath),
    useCache: options.cache !== false,
    snapshotEvery: Number(snapshotEvery),
    stop: stopSpec.decode(options.stop ?? stopSpec.fallback, "--stop"),
    resume: options.resume === true,
    dryRun: options.dryRun === true,
    expected: undefined,
  };
}

function promptsOf({ prompt }: RawOptions): readonly string[] {
  return Array.isArray(prompt) ? prompt.map(String) : [];
}

function modelOf(options: RawOptions): string {
  const model = textOption(options, "model");
  if (model !== undefined && model !== "") return model;
  const expected = "a checkpoint's folder, or owner/name on the hub";
  throw badUsage("--model", { expected, got: "none" });
}

/** `out/CLIP`, where the video is `.../CLIP.mp4`. */
export function defaultOut(clipPath: string): string {
  return join("out", basename(clipPath, extname(clipPath)) || "clip");
}
