import type { Dice } from "./dice.js";

/** How a channel of a recoloured picture is made of a channel of the old one. */
export interface ColourMapping {
  /** 0: red, 1: green, 2: blue. */
  readonly channel: number;
  /** What 0 and 255 become, 0...255. */
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
export function colourMappings(dice: Dice): readonly ColourMapping[] {
  return dice.pick(orders).map((channel): ColourMapping => {
    const low = dice.between([0, 90]);
    const high = dice.between([165, 255]);
    const isInverted = dice.between([0, 1]) < invertedShare;
    return { channel, low: isInverted ? high : low, high: isInverted ? low : high };
  });
}

/** Whether a picture would look much as it did: every channel from itself, none upside down. */
export const keepsColours = (mappings: readonly ColourMapping[]): boolean =>
  mappings.every(({ channel, low, high }, at) => channel === at && low < high);

/** What a value of the channel, 0...1, becomes, 0...255. */
export const mappedValue = ({ low, high }: ColourMapping, value: number): number =>
  low + (high - low) * value;

/** Recolours pixels in place. `[..., 3]`, float32, 0...1. */
export function mapColours(pixels: Float32Array, mappings: readonly ColourMapping[]): void {
  const old = pixels.slice();
  for (const [to, mapping] of mappings.entries()) {
    for (let at = 0; at < pixels.length; at += 3) {
      pixels[at + to] = mappedValue(mapping, old[at + mapping.channel] ?? 0) / 255;
    }
  }
}
