import type { Program } from "../program.js";
import type { ProgramSpec } from "../program-spec.js";
import { moduleProgram } from "./module-program.js";
import { textProgram } from "./text-program.js";
import { unetGradientsProgram, unetProgram } from "./unet-program.js";
import { vaeDecodeProgram, vaeEncodeProgram } from "./vae-program.js";

/** Makes the program that a spec describes. Plain data in: any process can make the same. */
export function createProgram(spec: ProgramSpec): Program {
  switch (spec.kind) {
    case "text":
      return textProgram(spec);
    case "vae-encode":
      return vaeEncodeProgram(spec);
    case "vae-decode":
      return vaeDecodeProgram(spec);
    case "unet":
      return unetProgram(spec);
    case "unet-gradients":
      return unetGradientsProgram(spec);
    case "module":
      return moduleProgram(spec);
  }
}
