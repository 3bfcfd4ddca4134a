import { Dice, type Key } from "./dice.js";

/** Where a channel of a recoloured picture comes from: from 0...1 to
 * `low + (high - low) value`, 0...255. */
export interface ColourMapping {
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

/** Channels in any order, each over a range of its own, sometimes upside down; red first. */
export function colourMappings(key: Key): readonly ColourMapping[] {
  const dice = new Dice(key, "recolouring");
  return dice.pick(orders).map((channel): ColourMapping => {
    const low = dice.between([0, 90]);
    const high = dice.between([165, 255]);
    const isInverted = dice.between([0, 1]) < invertedShare;
    return { channel, low: isInverted ? high : low, high: isInverted ? low : high };
  });
}

/** Recolours pixels in place. `[..., 3]`, float32, 0...1. */
export function mapColours(pixels: Float32Array, mappings: readonly ColourMapping[]): void {
  for (let at = 0; at < pixels.length; at += 3) {
    const old = pixels.slice(at, at + 3);
    for (const [to, { channel, low, high }] of mappings.entries()) {
      pixels[at + to] = (low + (high - low) * (old[channel] ?? 0)) / 255;
    }
  }
}
