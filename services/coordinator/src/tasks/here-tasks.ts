import { fromUnknown } from "@retake/errors";
import { failureOf } from "@retake/wire";
import type { EffectOf } from "../job/effects.js";
import type { Reign } from "../loop/reign.js";
import type { ArtifactStore } from "../store/artifact-store.js";
import { ingest } from "./ingest.js";
import { publish } from "./publish.js";
import type { TaskNews } from "./task-port.js";

export interface HereOptions {
  readonly artifacts: ArtifactStore;
  /** For files that live as long as a task. */
  readonly workFolder: string;
  readonly retakeVersion: string;
}

/** The tasks of one reign that this process does itself: those that need ffmpeg. */
export class HereTasks {
  readonly #reign: Reign;
  readonly #options: HereOptions;
  readonly #stops = new Map<string, AbortController>();

  constructor(reign: Reign, options: HereOptions) {
    this.#reign = reign;
    this.#options = options;
  }

  start({ task, record }: EffectOf<"run-here">): void {
    const stop = new AbortController();
    this.#stops.set(task.id, stop);
    const origin = { editId: record.id, taskId: task.id, nodeId: "", incarnation: "" };
    const tell = (news: TaskNews): void => {
      if (this.#reign.signal.aborted) return;
      this.#reign.tell({ ...news, ...origin, epoch: task.epoch });
    };
    const context = { ...this.#options, signal: stop.signal };
    const work = task.kind === "ingest" ? ingest(record, context) : publish(record, context);
    void work
      .then(
        (result) => tell({ kind: "task-finished", result }),
        (thrown: unknown) => {
          const failure = failureOf(fromUnknown(thrown, `${task.kind} of edit ${record.id}`));
          tell({ kind: "task-failed", failure });
        },
      )
      .finally(() => this.#stops.delete(task.id));
  }

  abort({ taskId, reason }: EffectOf<"abort-task">): void {
    this.#stops.get(taskId)?.abort(reason);
  }

  close(): void {
    for (const stop of this.#stops.values()) stop.abort("the coordinator steps down");
  }
}
