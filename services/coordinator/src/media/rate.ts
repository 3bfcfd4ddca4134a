import { limits } from "./limits.js";

/** Frames per second as a fraction, as containers store it: 30000/1001 is 29.97. */
export interface Rate {
  readonly numerator: number;
  readonly denominator: number;
}

/** Reads "30000/1001"; undefined when it is no rate, or none that can be believed. */
export function parseRate(text: unknown): Rate | undefined {
  const match = typeof text === "string" ? /^(\d{1,9})\/(\d{1,9})$/.exec(text) : null;
  if (match === null) return undefined;
  const rate = { numerator: Number(match[1]), denominator: Number(match[2]) };
  return isRate(rate) ? reduced(rate) : undefined;
}

/** Whether the rate is above zero and at most `limits.rateMax`. */
export function isRate({ numerator, denominator }: Rate): boolean {
  if (!Number.isSafeInteger(numerator) || !Number.isSafeInteger(denominator)) return false;
  return numerator > 0 && denominator > 0 && numerator <= limits.rateMax * denominator;
}

/** The rate of every `stride`-th frame. */
export function strided(rate: Rate, stride: number): Rate {
  return reduced({ numerator: rate.numerator, denominator: rate.denominator * stride });
}

export function framesPerSecond(rate: Rate): number {
  return rate.numerator / rate.denominator;
}

function reduced({ numerator, denominator }: Rate): Rate {
  let [divisor, rest] = [numerator, denominator];
  while (rest > 0) [divisor, rest] = [rest, divisor % rest];
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}
