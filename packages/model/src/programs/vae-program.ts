import type { Program } from "../program.js";
import type { VaeDecodeSpec, VaeEncodeSpec } from "../program-spec.js";
import type { VaeConfig } from "../vae/config.js";
import { vaeDecoderTensors, vaeEncoderTensors } from "../vae/tensors.js";
import { vaeDecode, vaeEncode } from "../vae/vae.js";
import { findFrozen } from "./find-frozen.js";

/** By how much the VAE shrinks height and width: 8 for the four levels of SD 1.x. */
export function vaeFactor(config: VaeConfig): number {
  return 2 ** (config.blockOutChannels.length - 1);
}

/** The VAE's encoder as a program: see `VaeEncodeSpec`. */
export function vaeEncodeProgram(spec: VaeEncodeSpec): Program {
  const { config, frames, height, width } = spec;
  const factor = vaeFactor(config);
  const cells = [frames, config.latentChannels, height / factor, width / factor];
  const weights = vaeEncoderTensors(config);
  return {
    inputs: [
      { name: "pixels", shape: [frames, config.inChannels, height, width], dtype: "float32" },
    ],
    weights,
    outputs: ["mean", "logvar"].map((name) => ({ name, shape: cells, dtype: "float32" })),
    call: (bindings) => ({
      ...vaeEncode(findFrozen(weights, bindings), bindings.input("pixels"), config),
    }),
  };
}

/** The VAE's decoder as a program: see `VaeDecodeSpec`. */
export function vaeDecodeProgram(spec: VaeDecodeSpec): Program {
  const { config, frames, height, width } = spec;
  const factor = vaeFactor(config);
  const pixels = [frames, config.outChannels, height * factor, width * factor];
  const weights = vaeDecoderTensors(config);
  const cells = [frames, config.latentChannels, height, width];
  return {
    inputs: [{ name: "latents", shape: cells, dtype: "float32" }],
    weights,
    outputs: [{ name: "pixels", shape: pixels, dtype: "float32" }],
    call: (bindings) => ({
      pixels: vaeDecode(findFrozen(weights, bindings), bindings.input("latents"), config),
    }),
  };
}
