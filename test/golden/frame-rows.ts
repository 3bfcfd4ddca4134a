import { relativeError } from "./comparison.js";
import type { EditRun } from "./edit-file.js";
import { type GoldenContext, limitedRow, measuredRow } from "./golden-context.js";
import type { Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";

const group = "edit";
/** As all tolerances: ten times what the reference's own rounding does, and never quite nothing. */
const floorMultiple = 10;
const movedShareMin = 1e-4;

/** Frames that were made some way, to be compared with a run's stored ones. */
export interface MadeFrames {
  readonly run: EditRun;
  /** `[channels, frames, height, width]`, 0...1 */
  readonly frames: Float32Array;
  /** How they were made, for the row's name. */
  readonly way: string;
  /** Which row of `tolerance.json` holds for frames in float32. */
  readonly quantity: readonly RegExp[];
  /** How many 8-bit values the reference's own rounding moves on this way. */
  readonly movedShare: number | undefined;
}

/** Compares frames with the stored ones: in float32 where they are, and in 8 bits. */
export async function* frameRows(context: GoldenContext, file: TensorFile, made: MadeFrames): Rows {
  const { run, frames, way, quantity } = made;
  const name = `${run.key}/video, ${way}`;
  if (file.has(`${run.key}/video`)) {
    const error = relativeError(frames, await file.values(`${run.key}/video`));
    yield measuredRow(context, { group, name, quantity, error });
  }
  if (!file.has(`${run.key}/video_u8`)) return;
  const reference = await file.values(`${run.key}/video_u8`);
  const levels = frames.map((value) => Math.trunc(Math.fround(value * 255)));
  const differences = levels.map((level, i) => Math.abs(level - (reference[i] ?? Number.NaN)));
  const moved = differences.filter((difference) => difference !== 0).length;
  yield limitedRow({
    group,
    name: `${name}, 8 bits`,
    quantity: "levels off at most",
    error: levels.length === reference.length ? Math.max(0, ...differences) : Number.NaN,
    limit: run.levelsMoved,
  });
  if (made.movedShare === undefined) return;
  yield limitedRow({
    group,
    name: `${name}, 8 bits`,
    quantity: "share of values that are off",
    error: moved / reference.length,
    limit: floorMultiple * Math.max(made.movedShare, movedShareMin),
  });
}

/**
 * Compares frames of the whole chain, which amplifies rounding. Where only 8 bits are stored, what
 * counts is how far a value lies outside the interval that its level stands for.
 */
export async function* chainFrameRows(
  context: GoldenContext,
  file: TensorFile,
  made: Omit<MadeFrames, "movedShare">,
): Rows {
  const { run, frames, way, quantity } = made;
  const name = `${run.key}/video, ${way}`;
  if (file.has(`${run.key}/video`)) {
    const error = relativeError(frames, await file.values(`${run.key}/video`));
    yield measuredRow(context, { group, name, quantity, error });
  } else if (file.has(`${run.key}/video_u8`)) {
    const reference = await file.values(`${run.key}/video_u8`);
    let error = frames.length === reference.length ? 0 : Number.POSITIVE_INFINITY;
    for (const [i, value] of frames.entries()) {
      const low = (reference[i] ?? 0) / 255;
      error = Math.max(error, low - value, value - (low + 1 / 255));
    }
    yield measuredRow(context, { group, name, quantity, error });
  }
}
