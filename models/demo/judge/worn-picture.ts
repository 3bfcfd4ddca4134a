import { Purpose, randomNormals, tensorStream } from "@retake/model/random";
import type { Dice } from "../world/dice.js";

const side = 64;

/**
 * A picture as a small model would give it: some of its sharpness lost, a little noise in patches
 * and pixels, brightness and colours slightly off. A third of the pictures stay as they are.
 *
 * @param pixels  `[64, 64, 3]`, float32, 0...1
 * @returns       the same, a new array
 */
export function worn(pixels: Float32Array, dice: Dice): Float32Array {
  if (dice.between([0, 1]) < 1 / 3) return pixels.slice();
  let result: Float32Array = pixels;
  for (let pass = dice.integer([0, 3]); pass > 0; pass -= 1) result = blurred(result);
  const gains = [0, 1, 2].map(() => dice.between([0.88, 1.12]));
  const shifts = [0, 1, 2].map(() => dice.between([-0.05, 0.05]));
  const fine = dice.between([0, 0.05]);
  const coarse = dice.between([0, 0.08]);
  const stream = tensorStream({
    seed: dice.integer([0, 2 ** 30]),
    purpose: Purpose.Noise,
    name: "wear",
  });
  const noise = randomNormals(stream, pixels.length / 4 + (side / 4) ** 2 * 3);
  return result.map((value, at) => {
    const channel = at % 3;
    const x = Math.floor(at / 3) % side;
    const y = Math.floor(at / 3 / side);
    const patch = (Math.floor(y / 4) * (side / 4) + Math.floor(x / 4)) * 3 + channel;
    const rough =
      coarse * (noise[patch] ?? 0) + fine * (noise[(side / 4) ** 2 * 3 + (at >> 2)] ?? 0);
    const changed = value * (gains[channel] ?? 1) + (shifts[channel] ?? 0) + rough;
    return Math.min(1, Math.max(0, changed));
  });
}

/** Each pixel the weighted mean of itself and its neighbours: 1 2 1 in both directions. */
function blurred(pixels: Float32Array): Float32Array {
  return along(along(pixels, 3), side * 3);
}

function along(pixels: Float32Array, stride: number): Float32Array {
  const isRow = stride === 3;
  return pixels.map((value, at) => {
    const place = isRow ? Math.floor(at / 3) % side : Math.floor(at / 3 / side);
    const before = place > 0 ? (pixels[at - stride] ?? value) : value;
    const after = place < side - 1 ? (pixels[at + stride] ?? value) : value;
    return (before + 2 * value + after) / 4;
  });
}
