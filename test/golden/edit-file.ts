import type { GoldenContext } from "./golden-context.js";
import { jsonObject } from "./json-object.js";
import { type TemporalSet, temporalSet } from "./tunable-tensors.js";

/** One sampling run of `edit.json`. */
export interface EditRun {
  /** Begins the names of the run's tensors. */
  readonly key: string;
  readonly samplingCount: number;
  readonly guidanceScale: number;
  /** Undefined is the empty prompt. */
  readonly negativePrompt: string | undefined;
  /** How many 8-bit values the reference's own rounding moves, where the file knows. */
  readonly movedShare: number | undefined;
  readonly movedShareOfDecoding: number | undefined;
  readonly levelsMoved: number;
}

/** An edit, as `edit.json` describes it. */
export interface EditFile {
  readonly prompt: string;
  readonly inversionPrompt: string;
  readonly temporal: TemporalSet;
  readonly runs: readonly EditRun[];
}

/** Reads `edit.json`, if the set has it. */
export async function readEditFile(context: GoldenContext): Promise<EditFile | undefined> {
  const json = jsonObject(await context.folder.json("edit"));
  if (!Array.isArray(json.runs)) return undefined;
  const infos = jsonObject(json.info);
  const runs: readonly unknown[] = json.runs;
  return {
    prompt: String(json.prompt),
    inversionPrompt: typeof json.inversion_prompt === "string" ? json.inversion_prompt : "",
    temporal: temporalSet(json.temporal ?? "live"),
    runs: runs.map((entry): EditRun => {
      const run = jsonObject(entry);
      const key = String(run.key);
      const info = jsonObject(infos[key]);
      return {
        key,
        samplingCount: Number(run.steps),
        guidanceScale: Number(run.guidance),
        negativePrompt: typeof run.negative_prompt === "string" ? run.negative_prompt : undefined,
        movedShare: shareOf(info.u8_differ_stage),
        movedShareOfDecoding: shareOf(info.u8_differ_decode_only),
        levelsMoved: Number(info.u8_max_diff_stage ?? 1),
      };
    }),
  };
}

function shareOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
