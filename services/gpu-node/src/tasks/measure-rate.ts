import { cost, traceProgram } from "@retake/compile";
import { createProgram } from "@retake/model";
import { hostTensor } from "./host-tensors.js";
import type { Model } from "./open-model.js";
import { type TaskControl, throwIfStopped } from "./task-control.js";

/** Pixels along the side of the picture that is encoded. */
const side = 64;
/** The first run makes the engine allocate; the fastest of the others counts. */
const runs = 4;

/**
 * How fast this machine computes: one small picture is encoded a few times. Convolutions are most
 * of the work of an edit, and the VAE is there in every checkpoint.
 *
 * @param nowMs  a clock
 * @returns      floating-point operations per second
 */
export async function measureRate(
  model: Model,
  nowMs: () => number,
  control: TaskControl = {},
): Promise<number> {
  const size = { frames: 1, height: side, width: side };
  const spec = { kind: "vae-encode", config: model.files.vaeConfig, ...size } as const;
  const { flops } = cost(traceProgram(createProgram(spec)));
  const pixels = hostTensor([1, 3, side, side], new Float32Array(3 * side * side));
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run += 1) {
    throwIfStopped(control, "measuring");
    const beganMs = nowMs();
    await model.programs.run(spec, { each: { pixels } }, control);
    if (run > 0) fastestMs = Math.min(fastestMs, nowMs() - beganMs);
  }
  return (flops * 1000) / fastestMs;
}
