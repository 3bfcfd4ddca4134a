/** Every maximum of scaling, with its unit. */

export const poolCountMax = 1_000;
/** How long those that leave may take, unless it is said otherwise: the grace of a node's pod. */
export const handOverMsDefault = 300_000;
export const handOverMsMax = 3_600_000;
/** A node that has to leave is held for so long at most once the pool has its size. */
export const goneDurationMsMax = 900_000;
