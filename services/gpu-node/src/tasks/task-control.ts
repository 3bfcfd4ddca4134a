import { Code, RetakeError } from "@retake/errors";

export interface TaskProgress {
  /** Units of work done: steps, iterations or frames. */
  readonly done: number;
  readonly total: number;
}

/** How a caller watches a task and stops it. */
export interface TaskControl {
  /** Looked at between units of work; a unit under way is not waited for. */
  readonly signal?: AbortSignal | undefined;
  /** Called once at the start, then after each unit of work. */
  readonly onProgress?: ((progress: TaskProgress) => void) | undefined;
  /** Called with a sentence for the user; the task goes on. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

/** @throws RetakeError  `stopped` once the caller has asked for it */
export function throwIfStopped({ signal }: TaskControl, subject: string): void {
  if (signal?.aborted !== true) return;
  const options = { cause: signal.reason };
  throw new RetakeError(Code.Canceled, "stopped", `${subject}: stopped as asked`, options);
}
