import { type ModelFiles, measureRate } from "@retake/gpu-node";
import type { Environment } from "../environment.js";
import { aligned } from "../text/aligned.js";
import { byteText } from "../text/byte-text.js";
import { durationText } from "../text/duration-text.js";
import { type Plan, type PlannedWork, planOf } from "./plan.js";
import { withModel } from "./with-model.js";

/** What a job would take on this machine. */
export interface Prediction extends Plan {
  readonly seconds: number;
  /** How fast the machine is, measured now. */
  readonly flopsPerSecond: number;
  readonly availableBytes: number;
}

/** Predicts what a job takes, without doing it: only the machine's rate is measured. */
export async function dryRun(
  files: ModelFiles,
  work: PlannedWork & { readonly plan: Plan | undefined; readonly availableBytes: number },
  context: { readonly environment: Environment; readonly cacheDir: string },
): Promise<Prediction> {
  const { environment, cacheDir } = context;
  const { nowMs, signal } = environment;
  const side = Math.min(work.size.width, work.size.height) / files.latentFactor;
  const meanwhile = async (): Promise<Plan> => work.plan ?? planOf(files, work);
  const machine = { ...work.settings, cacheDir, meanwhile };
  const [plan, flopsPerSecond] = await withModel(
    files,
    machine,
    async (model, planned) => [planned, await measureRate(model, { side, nowMs, signal })] as const,
  );
  const seconds = plan.flops / flopsPerSecond;
  return { ...plan, seconds, flopsPerSecond, availableBytes: work.availableBytes };
}

/** A prediction as a page. */
export function predictionText(prediction: Prediction): string {
  const { phases, flopsPerSecond, memoryBytes, availableBytes, weightBytes } = prediction;
  const rows = phases.map(({ phase, pass, count, flops }) => {
    const time = durationText((flops / flopsPerSecond) * 1000);
    return [phase, `${count} x ${pass}`, operations(flops), time];
  });
  const total = durationText(prediction.seconds * 1000);
  rows.push(["total", "", operations(prediction.flops), total]);
  const rate = `${(flopsPerSecond / 1e9).toFixed(1)} GFLOP/s, measured now on two small frames`;
  const memory = `${byteText(memoryBytes)} of ${byteText(availableBytes)} free`;
  return [
    ...aligned(rows),
    `rate: ${rate}`,
    `memory: ${memory}; weights ${byteText(weightBytes)}, mapped from their file`,
  ].join("\n");
}

function operations(flops: number): string {
  return flops < 1e12 ? `${(flops / 1e9).toFixed(1)} GFLOP` : `${(flops / 1e12).toFixed(1)} TFLOP`;
}
