import { Code, RetakeError } from "@retake/errors";
import type { Schedule } from "./schedule.js";

/**
 * The timesteps that sampling visits, noisiest first; inversion visits the same ones backwards.
 *
 *     timesteps[i] = (samplingCount - 1 - i) floor(timestepCount / samplingCount) + stepsOffset
 *
 * A count that does not divide `timestepCount` leaves the noisiest timesteps out, as in the
 * reference.
 *
 * @param samplingCount  how many denoising iterations
 * @returns              `[samplingCount]`, integers, falling
 * @throws RetakeError   `bad-option` if the schedule has no room for so many
 * @source Song et al. 2020, arXiv:2010.02502, "DDIM"; "leading" spacing in the authors' library
 */
export function samplingTimesteps(schedule: Schedule, samplingCount: number): readonly number[] {
  const ratio = Math.floor(schedule.timestepCount / samplingCount);
  const noisiest = (samplingCount - 1) * ratio + schedule.stepsOffset;
  const isCount = Number.isInteger(samplingCount) && samplingCount >= 1;
  if (!isCount || ratio < 1 || noisiest >= schedule.timestepCount) {
    const room = `an integer from 1 to ${samplingCountMax(schedule)}`;
    const message = `sampling steps: expected ${room}, got ${samplingCount}`;
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  return Array.from({ length: samplingCount }, (_, i) => noisiest - i * ratio);
}

/** The most iterations whose noisiest timestep still lies in the schedule. */
function samplingCountMax(schedule: Schedule): number {
  const { timestepCount, stepsOffset } = schedule;
  const fits = (count: number): boolean =>
    (count - 1) * Math.floor(timestepCount / count) + stepsOffset < timestepCount;
  let count = timestepCount;
  while (count > 1 && !fits(count)) count -= 1;
  return count;
}

/** The timestep one iteration less noisy than `timestep`; below 0 at the end of sampling. */
export function timestepBefore(
  schedule: Schedule,
  place: { readonly timestep: number; readonly samplingCount: number },
): number {
  return place.timestep - Math.floor(schedule.timestepCount / place.samplingCount);
}

/**
 * The sampling index to begin with when only a part of the noise is to be put on, so that more of
 * the source stays: strength 1 begins at the noisiest timestep, 0.5 half way down.
 *
 * @param strength  above 0, at most 1
 * @returns         samplingIndex, 0 ... samplingCount - 1; the iterations from there on are run
 * @throws RetakeError  `bad-option` if `strength` is out of range
 */
export function firstSamplingIndex(samplingCount: number, options: { strength: number }): number {
  const { strength } = options;
  if (!(strength > 0 && strength <= 1)) {
    const message = `strength: expected a number above 0 and at most 1, got ${strength}`;
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  return samplingCount - Math.max(1, Math.floor(samplingCount * strength));
}
