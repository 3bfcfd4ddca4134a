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

/** Throws of one row of dice that are used before another is taken. */
const dicePerRow = 64;
