import { ShapeError } from "@retake/errors";

/** How the frames of one clip are divided over ranks, and which rank this is: plain data. */
export interface FrameShard {
  readonly rank: number;
  /** Frames of each rank, in rank order; they follow each other in the clip. */
  readonly frameCounts: readonly number[];
}

/** A half-open range. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

/** Ranges of the given lengths, one behind the other. */
export function consecutiveRanges(counts: readonly number[]): readonly Range[] {
  let end = 0;
  return counts.map((count) => {
    const begin = end;
    end += count;
    return { begin, end };
  });
}

/** A count in as equal parts as can be; the first ones are larger by one. */
export function equalParts(count: number, { parts }: { readonly parts: number }): number[] {
  const small = Math.floor(count / parts);
  return Array.from({ length: parts }, (_, part) => (part < count % parts ? small + 1 : small));
}

/** The frames of this rank within the clip. */
export function framesOfShard({ rank, frameCounts }: FrameShard): Range {
  const range = consecutiveRanges(frameCounts)[rank];
  if (range !== undefined) return range;
  throw new ShapeError(`shard: expected one of ${frameCounts.length} ranks, got ${rank}`);
}

/**
 * Refuses a shard that does not divide such a clip.
 *
 * @throws ShapeError  for fewer than two ranks, a rank without frames, other frames than the
 *                     clip's, or several clips at once
 */
export function assertShard(
  shard: FrameShard,
  { batch, frames }: { readonly batch: number; readonly frames: number },
): void {
  const { frameCounts } = shard;
  const total = frameCounts.reduce((sum, count) => sum + count, 0);
  const whole = frameCounts.every((count) => Number.isInteger(count) && count >= 1);
  framesOfShard(shard);
  if (frameCounts.length >= 2 && whole && total === frames && batch === 1) return;
  const expected = `${frames} frames of one clip over two ranks or more, one each at least`;
  throw new ShapeError(`shard: expected ${expected}, got [${frameCounts}] of ${batch}`);
}
