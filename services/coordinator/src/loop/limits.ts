/** Every maximum of the loop, with its unit. */

/** Lines of history that wait for the store. */
export const eventsWaitingMax = 1_000;
export const tickEveryMs = 500;
/** How long a write that met a full or absent store waits before it is tried again. */
export const storePauseMs = 1_000;
/** An earlier coordinator that writes all the while can be in the way of a takeover this often. */
export const adoptAttemptsMax = 20;
/** Records that a takeover rewrites at a time. */
export const adoptsInFlightMax = 16;
