import { Code, RetakeError } from "@retake/errors";
import type { HostTensor } from "../runtime/engine.js";
import type { TaskProgress } from "./task-control.js";

/** The latents after some iterations of an inversion or a sampling. */
export interface LatentsDone {
  readonly done: number;
  readonly latents: HostTensor;
}

/** Told of the latents after each iteration; the next one begins when it has settled. */
export type LatentsListener = (
  latents: Float32Array,
  progress: TaskProgress,
) => Promise<void> | void;

/**
 * Where to begin: with the given latents, or where the same task was before.
 *
 * @throws RetakeError  `bad-option` for latents of another shape, or a count out of range
 */
export function resumed(
  input: { readonly latents: HostTensor; readonly resume?: LatentsDone | undefined },
  { total }: { readonly total: number },
): LatentsDone {
  const { latents, resume } = input;
  if (resume === undefined) return { latents, done: 0 };
  const isCount = Number.isInteger(resume.done) && resume.done >= 0 && resume.done <= total;
  if (isCount && String(resume.latents.shape) === String(latents.shape)) return resume;
  const expected = `up to ${total} iterations done on [${latents.shape}]`;
  const got = `${resume.done} on [${resume.latents.shape}]; start without them`;
  const message = `latents to go on from: expected ${expected}, got ${got}`;
  throw new RetakeError(Code.InvalidArgument, "bad-option", message);
}
