import { decoderWork } from "./decoder-phase.js";
import { diffusionWork } from "./diffusion-phase.js";
import type { PhaseGiven, PhaseWork } from "./phase.js";
import type { PhaseName } from "./recipe.js";
import { vaeWork } from "./vae-phase.js";

/** What a phase computes. */
export function phaseWork(phase: PhaseName, given: PhaseGiven): PhaseWork {
  switch (phase) {
    case "vae":
      return vaeWork(given);
    case "unet":
      return diffusionWork("unet", given);
    case "clip":
      return diffusionWork("clip", given);
    case "decoder":
      return decoderWork(given);
  }
}
