import type { ModelFiles } from "@retake/gpu-node";
import type { ProgramSpec } from "@retake/model";
import { figureSizes, passKinds, passSpec } from "./sd-size-pass.js";

/** The passes whose cost is predicted and measured. */
export const costPasses = [...passKinds, "vae-decode"] as const;

/** Pixels along the side of the frame that is decoded. */
const pictureSide = 512;

/** The program of a pass. */
export function costPassSpec(files: ModelFiles, name: string): ProgramSpec {
  if (name === "vae-decode") {
    const cells = pictureSide / files.latentFactor;
    const size = { frames: 1, height: cells, width: cells };
    return { kind: "vae-decode", config: files.vaeConfig, ...size };
  }
  const kind = passKinds.find((candidate) => candidate === name);
  if (kind === undefined) throw new Error(`expected one of ${costPasses.join(", ")}, got ${name}`);
  return passSpec(files, kind, figureSizes[kind]);
}
