import { Dice, type Key } from "../world/dice.js";
import type { PictureSet } from "./training-data.js";

/** Where the values of a channel of the new picture come from: `low + (high - low) value / 255`. */
interface Mapping {
  readonly channel: number;
  readonly low: number;
  readonly high: number;
}

const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;
const invertedShare = 0.25;

/** Channels in any order, each over a range of its own, sometimes upside down. */
function mappingsOf(key: Key): readonly Mapping[] {
  const dice = new Dice(key, "recolouring");
  return dice.pick(orders).map((channel): Mapping => {
    const low = dice.between([0, 90]);
    const high = dice.between([165, 255]);
    const isInverted = dice.between([0, 1]) < invertedShare;
    return { channel, low: isInverted ? high : low, high: isInverted ? low : high };
  });
}

/**
 * The same pictures in colours of chance, each in its own: what stands in them stays. A VAE that
 * has seen the world's few colours only turns every other colour into one of them.
 *
 * @param seed  with a picture's index it decides the colours
 */
export function recoloured(set: PictureSet, seed: number): PictureSet {
  const pixels = new Uint8Array(new SharedArrayBuffer(set.pixels.length));
  const cells = set.side * set.side;
  for (let index = 0; index < set.count; index += 1) {
    for (const [to, { channel, low, high }] of mappingsOf({ seed, index }).entries()) {
      const source = (3 * index + channel) * cells;
      const target = (3 * index + to) * cells;
      for (let cell = 0; cell < cells; cell += 1) {
        const value = (set.pixels[source + cell] ?? 0) / 255;
        pixels[target + cell] = Math.round(low + (high - low) * value);
      }
    }
  }
  return { ...set, pixels };
}
