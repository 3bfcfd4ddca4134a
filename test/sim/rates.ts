import type { NodeRates } from "@retake/coordinator/job";
import type { Chance } from "./random.js";

/**
 * Slow or fast, over slow or fast links; some have measured nothing yet.
 *
 * @param slower  how many times: it may be worth a while to get ready to share a clip's frames
 */
export function chosenRates(chance: Chance, slower: number): NodeRates {
  const unetMs = slower * chance.whole({ min: 5, max: 200 });
  const size = { modelHash: "m", frames: 4, pixelsPerFrame: 64, passesAtOnce: 1 };
  const passes: NodeRates["passes"] = [
    { ...size, kind: "unet", durationMs: unetMs },
    { ...size, kind: "gradients", durationMs: 3 * unetMs },
    { ...size, kind: "decode", durationMs: unetMs },
  ];
  return {
    flopsPerSecond: 1e9 / unetMs,
    bytesPerSecond: 10 ** chance.whole({ min: 2, max: 6 }),
    roundTripMs: 1,
    passes: chance.happens(0.2) ? [] : passes,
  };
}
