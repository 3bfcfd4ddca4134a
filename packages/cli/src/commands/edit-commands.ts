import {
  badUsage,
  clipSpecs,
  runSpecs,
  samplingSpecs,
  tuningSpecs,
} from "@retake/coordinator/settings";
import { type Command, Option } from "commander";
import type { Environment } from "../environment.js";
import type { Job } from "../pipeline/job.js";
import { jobOfOptions } from "./job-of-options.js";
import {
  addModelOptions,
  addOutputOptions,
  addSettings,
  type RawOptions,
  snapshotEverySpec,
  stopSpec,
  textOption,
} from "./option-groups.js";

/** Adds `edit` and its parts: `tune`, `invert`, `sample`. */
export function addEditCommands(program: Command, environment: Environment): void {
  const run = (job: Job, options: RawOptions): Promise<void> => start(job, options, environment);

  const edit = program
    .command("edit")
    .description("edit a clip: tune, invert, sample, and write the result's folder")
    .argument("[clip]", "a video file")
    .action(async (clip: string | undefined, options: RawOptions) => {
      const manifest = textOption(options, "manifest");
      if (manifest === undefined) return run(jobOfOptions("edit", clipOf(clip), options), options);
      const { jobOfManifest } = await import("./job-of-manifest.js");
      return run(await jobOfManifest(manifest, { clip, options }), options);
    });
  addSourceOption(edit);
  addPromptOptions(edit);
  edit.option("--manifest <file>", "make the result of a manifest.json again: the same bits");
  addCommon(edit);
  addTuningOptions(edit);
  addSettings(edit, samplingSpecs);

  const tune = program
    .command("tune")
    .description("only tune: writes delta.safetensors, to be used by invert and sample")
    .argument("<clip>", "a video file")
    .action((clip: string, options: RawOptions) =>
      run(jobOfOptions("tune", clip, options), options),
    );
  addSourceOption(tune);
  addCommon(tune);
  addTuningOptions(tune);

  const invert = program
    .command("invert")
    .description("only invert: writes inverted.safetensors, the noise that the clip comes from")
    .argument("<clip>", "a video file")
    .option("--delta <file>", "what was tuned; without it, the network is the checkpoint's")
    .action((clip: string, options: RawOptions) =>
      run(jobOfOptions("invert", clip, options), options),
    );
  addCommon(invert);
  addSettings(invert, samplingSpecs);

  const sample = program
    .command("sample")
    .description("only sample: edit a clip again without tuning again")
    .argument("<clip>", "the video file that was tuned on")
    .option("--delta <file>", "what was tuned; without it, the network is the checkpoint's")
    .option("--latents <file>", "an inverted.safetensors; without it, the clip is inverted")
    .action((clip: string, options: RawOptions) =>
      run(jobOfOptions("sample", clip, options), options),
    );
  addPromptOptions(sample);
  addCommon(sample);
  addSettings(sample, samplingSpecs);
}

function clipOf(clip: string | undefined): string {
  if (clip !== undefined && clip !== "") return clip;
  throw badUsage("clip", { expected: "the path of a video file", got: "none" });
}

export function addSourceOption(command: Command): void {
  command.option("--source <sentence>", "what the clip shows");
}

export function addPromptOptions(command: Command): void {
  const collect = (text: string, before: readonly string[] = []): readonly string[] => [
    ...before,
    text,
  ];
  command
    .addOption(
      new Option("--prompt <sentence>", "what it should show; again for more edits").argParser(
        collect,
      ),
    )
    .option("--negative <sentence>", "what it should not show");
}

function addCommon(command: Command): void {
  addModelOptions(command);
  command
    .option("--out <folder>", "where the result goes (default: out/CLIP)")
    .option("--no-cache", "use and keep nothing of other runs")
    .option("--dry-run", "say what it would cost, and do nothing");
  addOutputOptions(command);
  addSettings(command, clipSpecs);
  command.option("--letterbox", "the same as --fit letterbox");
  command.option("--stretch", "the same as --fit stretch");
  addSettings(command, runSpecs);
}

function addTuningOptions(command: Command): void {
  addSettings(command, tuningSpecs);
  addSettings(command, { stop: stopSpec, snapshotEvery: snapshotEverySpec });
  command.option("--resume", "go on from the last snapshot of the same tuning");
}

/** Loads what it takes only now, so that `--help` answers at once. */
async function start(job: Job, options: RawOptions, environment: Environment): Promise<void> {
  const { startSpareWorker } = await import("@retake/gpu-node/spare-worker");
  startSpareWorker();
  const { runAndTell } = await import("./run-and-tell.js");
  await runAndTell(job, environment, {
    json: options.json === true,
    quiet: options.quiet === true,
  });
}
