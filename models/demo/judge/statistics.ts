import { Dice } from "../world/dice.js";

/** A figure and the interval that holds it with 95 % by chance of the choice of clips. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const resampleCount = 1000;

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * A figure with its bootstrap interval. Whole groups are drawn again, not single values: the edits
 * and seeds of one clip are alike, and would make the interval too small.
 *
 * @param groups   the values of each clip
 * @param figure   `median` or `mean`, of all values together
 * @source Efron and Tibshirani 1993, "An introduction to the bootstrap", percentile intervals
 */
export function estimated(
  groups: readonly (readonly number[])[],
  figure: (values: readonly number[]) => number,
): Estimate {
  const filled = groups.filter(({ length }) => length > 0);
  const value = figure(filled.flat());
  if (filled.length < 2) return { value, low: value, high: value };
  const figures = Array.from({ length: resampleCount }, (_, index) => {
    let dice = new Dice({ seed: 1, index }, "bootstrap 0");
    const drawn = filled.map((_, turn) => {
      if (turn > 0 && turn % dicePerRow === 0) {
        dice = new Dice({ seed: 1, index }, `bootstrap ${turn}`);
      }
      return dice.pick(filled);
    });
    return figure(drawn.flat());
  }).sort((a, b) => a - b);
  const at = (share: number): number =>
    figures[Math.round(share * (resampleCount - 1))] ?? Number.NaN;
  return { value, low: at(0.025), high: at(0.975) };
}

/** The normal distribution's 97.5 % point. */
const normalPoint = 1.959964;

/**
 * A share of independent cases with its 95 % interval, which has a width also where all are right:
 * resampling would give none.
 *
 * @source Wilson 1927, "Probable inference, the law of succession, and statistical inference"
 */
export function shareOf(right: readonly boolean[]): Estimate {
  const count = right.length;
  const value = right.filter((is) => is).length / count;
  const square = normalPoint ** 2 / count;
  const middle = (value + square / 2) / (1 + square);
  const root = Math.sqrt((value * (1 - value)) / count + square / (4 * count));
  const reach = (normalPoint * root) / (1 + square);
  return { value, low: Math.max(0, middle - reach), high: Math.min(1, middle + reach) };
}

/** Throws of one row of dice that are used before another is taken. */
const dicePerRow = 64;
