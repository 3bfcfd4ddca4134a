import type { EditRecord, Quorum, Task } from "@retake/coordinator/job";
import type { CoordinatorPort, DrawPartial } from "./cluster.js";

/** A task on a node. */
export interface Job {
  readonly task: Task;
  readonly record: EditRecord;
  readonly editId: string;
  readonly epoch: number;
  readonly from: CoordinatorPort;
}

/** Who computes a branch for a task that samples. */
export interface Lent {
  readonly taskId: string;
  readonly nodeId: string;
}

export interface Member extends Job {
  quorum: Quorum | null;
  attempts: number;
  /** What it serves to the others: its partial of the step under way. */
  partial: DrawPartial | null;
  /** The whole gradient of the step under way, waiting for its commit. */
  reduced: { quorumId: number; step: number; gradient: number } | null;
}
