/** Shares of a tuning's steps after which it is looked at: doubled each time, and 0 for none. */
const stopShares = [0, 1 / 8, 1 / 4, 1 / 2, 1];

/**
 * After how many of at most so many steps a tuning is looked at, in rising order.
 *
 * @param stepsMax  a whole number from 0
 */
export function stopSteps(stepsMax: number): readonly number[] {
  return [...new Set(stopShares.map((share) => Math.round(share * stepsMax)))];
}

/** What a look at a tuning has found. */
export interface StopLook {
  /** After so many updates. */
  readonly step: number;
  /** How bad it is: less is better. */
  readonly sign: number;
}

/**
 * Where a tuning should have ended: at the look with the least sign; of equal ones, at the one of
 * the fewest steps, which cost least and have changed the network least.
 *
 * @param looks  one at the least
 */
export function leastSign<Look extends StopLook>(looks: readonly [Look, ...Look[]]): Look {
  return looks.reduce((best, look) => {
    const isBetter = look.sign === best.sign ? look.step < best.step : look.sign < best.sign;
    return isBetter ? look : best;
  });
}
