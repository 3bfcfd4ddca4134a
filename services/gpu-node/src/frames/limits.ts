/** Bytes of activations in one message. */
export const activationBytesMax = 2 ** 20;
/** Messages that a rank may be ahead of a peer: ranks wait for each other in every few rounds. */
export const roundsAheadMax = 16;
/** A peer that gives nothing for so long is given up; a segment takes seconds at most. */
export const peerPatienceMs = 60_000;
/** Until when ranks must have loaded what they take: weights are mapped, programs compiled. */
export const readyPatienceMs = 300_000;
/** A peer that asks for a group may do so before this rank knows of it. */
export const groupPatienceMs = 30_000;
export const ranksMax = 64;
