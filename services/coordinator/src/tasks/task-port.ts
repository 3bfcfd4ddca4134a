import type { CoordinatorEvent, TaskOrigin, TaskResult } from "../job/events.js";
import type { ArtifactStore } from "../store/artifact-store.js";

type OfTask<Event> = Event extends TaskOrigin ? Event : never;
type WithoutOrigin<Event> = Event extends unknown ? Omit<Event, keyof TaskOrigin> : never;

/** What a task has to say. */
export type TaskNews = WithoutOrigin<OfTask<CoordinatorEvent>>;

/** Where the results of one task go. */
export interface TaskPort {
  readonly artifacts: ArtifactStore;
  /** Resolves when what was decided on the news is stored: so a task runs ahead of no store. */
  tell(news: TaskNews): Promise<void>;
}

/** The result of a task that has handed everything over before its end. */
export const noResult: TaskResult = { artifactId: "", files: [] };
