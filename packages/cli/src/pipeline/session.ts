import type { Settings } from "@retake/coordinator/settings";
import type { Model, TaskControl } from "@retake/gpu-node";
import type { ArtifactStore } from "../cache/artifact-store.js";
import type { Environment } from "../environment.js";
import type { Phase, Reporter } from "../progress/reporter.js";

/** What the phases of a run share. */
export interface Session {
  readonly environment: Environment;
  readonly reporter: Reporter;
  readonly store: ArtifactStore;
  readonly model: Model;
  readonly settings: Settings;
}

/** How a task of the gpu-node reports to the phase it runs in, and is stopped. */
export function taskControl(
  session: Pick<Session, "environment" | "reporter">,
  phase: Phase,
): TaskControl {
  return {
    signal: session.environment.signal,
    onProgress: phase.progress,
    onWarning: (warning) => session.reporter.warn(warning),
  };
}
