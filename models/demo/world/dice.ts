import { Purpose, randomUniforms, tensorStream } from "@retake/model/random";

/** Names one picture or clip of the world: everything in it follows from these two. */
export interface Key {
  readonly seed: number;
  /** Which one, from 0. */
  readonly index: number;
}

const throwsMax = 64;

/** A row of chances that belongs to a key and a purpose: the same numbers whenever it is asked. */
export class Dice {
  readonly #values: Float32Array;
  #used = 0;

  /** @param what  what the chances are for, so that no two purposes share numbers */
  constructor({ seed, index }: Key, what: string) {
    const stream = tensorStream({ seed, purpose: Purpose.Noise, name: `world/${what}/${index}` });
    this.#values = randomUniforms(stream, { count: throwsMax, bound: 1 });
  }

  /** A number from `low` to `high`, the end excluded. */
  between([low, high]: readonly [number, number]): number {
    const value = this.#values[this.#used];
    if (value === undefined) throw new Error(`dice: expected at most ${throwsMax} throws`);
    this.#used += 1;
    return low + ((value + 1) / 2) * (high - low);
  }

  /** An integer from `low` to `high`, both included. */
  integer([low, high]: readonly [number, number]): number {
    return Math.min(high, Math.floor(this.between([low, high + 1])));
  }

  /** One of several, each equally likely. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.integer([0, items.length - 1])];
    if (item === undefined) throw new Error("dice: expected something to pick from");
    return item;
  }
}
