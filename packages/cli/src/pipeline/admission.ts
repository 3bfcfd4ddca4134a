import { Code, RetakeError } from "@retake/errors";
import type { ModelFiles } from "@retake/gpu-node";
import { byteText } from "../text/byte-text.js";
import { isSmall, leastBytes, type Plan, type PlannedWork, planOf } from "./plan.js";

/**
 * Refuses a job that the memory cannot hold, before any work is done, and says what would fit.
 *
 * @param availableBytes  private memory that this process may still take
 * @returns               the plan, where it had to be made
 * @throws RetakeError  `memory-short`
 */
export function admitted(
  files: ModelFiles,
  work: PlannedWork,
  availableBytes: number,
): Plan | undefined {
  if (isSmall(files, work, availableBytes)) return undefined;
  const least = leastBytes(files, work);
  if (least > availableBytes) {
    throw memoryShort(work, { bytes: least, availableBytes, advice: noAdvice });
  }
  const plan = planOf(files, work);
  if (plan.memoryBytes <= availableBytes) return plan;
  const advice = whatFits(files, work, availableBytes);
  throw memoryShort(work, { bytes: plan.memoryBytes, availableBytes, advice });
}

const noAdvice = "take fewer and smaller frames, or a machine with more memory";

function memoryShort(
  { settings, size }: PlannedWork,
  memory: { readonly bytes: number; readonly availableBytes: number; readonly advice: string },
): RetakeError {
  const wanted = `${settings.frames} frames of ${size.width}x${size.height}`;
  const expected = `expected at least ${byteText(memory.bytes)} for ${wanted}`;
  const got = `got ${byteText(memory.availableBytes)} free`;
  const message = `memory: ${expected}, ${got}; ${memory.advice}`;
  return new RetakeError(Code.ResourceExhausted, "memory-short", message);
}

/** The first of a few smaller jobs that fits: less memory a step, fewer frames, smaller frames. */
function whatFits(files: ModelFiles, work: PlannedWork, availableBytes: number): string {
  const { settings, size } = work;
  const low = { ...settings, memory: "low" as const };
  const half = (side: number): number => Math.max(8, Math.floor(side / 16) * 8);
  const candidates: (readonly [string, PlannedWork])[] = [
    ["--memory low", { ...work, settings: low }],
    ...[2, 4, 8].map((divisor): readonly [string, PlannedWork] => {
      const frames = Math.max(1, Math.floor(settings.frames / divisor));
      return [`--memory low --frames ${frames}`, { ...work, settings: { ...low, frames } }];
    }),
  ];
  let smaller = size;
  for (let halvings = 0; halvings < 4; halvings += 1) {
    smaller = { width: half(smaller.width), height: half(smaller.height) };
    const name = `--memory low --size ${smaller.width}x${smaller.height}`;
    candidates.push([name, { ...work, settings: low, size: smaller }]);
  }
  for (const [name, candidate] of candidates) {
    const isLess = JSON.stringify(candidate) !== JSON.stringify(work);
    if (isLess && planOf(files, candidate).memoryBytes <= availableBytes)
      return `${name} would fit`;
  }
  return "take fewer and smaller frames, or a machine with more memory";
}
