import { colourMappings, mappedValue } from "../world/colour-mapping.js";
import { Dice } from "../world/dice.js";
import type { PictureSet } from "./training-data.js";

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
    const dice = new Dice({ seed, index }, "recolouring");
    for (const [to, mapping] of colourMappings(dice).entries()) {
      const source = (3 * index + mapping.channel) * cells;
      const target = (3 * index + to) * cells;
      for (let cell = 0; cell < cells; cell += 1) {
        const value = (set.pixels[source + cell] ?? 0) / 255;
        pixels[target + cell] = Math.round(mappedValue(mapping, value));
      }
    }
  }
  return { ...set, pixels };
}
