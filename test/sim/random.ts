/** Chance that a seed decides: the same seed gives the same run, always. */
export interface Chance {
  /** 0 to 1, 1 excluded. */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  whole(range: { min: number; max: number }): number;
  /** Whether something of this likelihood happens. */
  happens(likelihood: number): boolean;
}

/** The generator of Tommy Ettinger, "mulberry32": 32 bits of state are enough for a run. */
export function chanceOf(seed: number): Chance {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    whole: ({ min, max }) => min + Math.floor(next() * (max - min + 1)),
    happens: (likelihood) => likelihood > 0 && next() < likelihood,
  };
}

/** A toy of every computation: 32 bits from any numbers, in order. */
export function mixed(...parts: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const part of parts) {
    hash = Math.imul(hash ^ (part | 0), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    hash ^= hash >>> 13;
  }
  return hash >>> 0;
}
