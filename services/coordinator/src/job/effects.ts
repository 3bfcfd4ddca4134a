import type { CommitRecord, Quorum } from "./commit-record.js";
import type { EditRecord, Task } from "./edit-record.js";

interface OfMember {
  readonly editId: string;
  readonly taskId: string;
  readonly nodeId: string;
}

/**
 * What the edge does for a decision. Effects of one edit run in their order, those of later
 * decisions after those of earlier ones, and none before a `write-record` or `write-commit` ahead
 * of it has been stored. Effects without an edit run at once.
 */
export type Effect =
  /** Compare-and-set on the revision before; met another's write: event `fenced`. */
  | { readonly kind: "write-record"; readonly editId: string; readonly record: EditRecord }
  /** Compare-and-set on the record before; stored: `commit-written`; refused: `fenced`. */
  | { readonly kind: "write-commit"; readonly editId: string; readonly commit: CommitRecord }
  /** Ingest and publish, by this process. */
  | OfTask<"run-here">
  /** Encode, invert, sample, decode. */
  | OfTask<"start-task">
  /** Opens the stream of a member; its first quorum follows. */
  | OfTask<"open-tune">
  | ({ readonly kind: "send-quorum"; readonly quorum: Quorum } & OfMember)
  | ({ readonly kind: "send-commit"; readonly quorumId: number; readonly step: number } & OfMember)
  | ({ readonly kind: "take-snapshot" } & OfMember)
  | ({ readonly kind: "finish-tuning" } & OfMember)
  /** Tells the node that samples who computes a branch for it from now on, and where. */
  | ({
      readonly kind: "lend-branch";
      readonly helper: Task;
      readonly address: string;
    } & OfMember)
  /** Tells the node that inverts or samples who shares its frames from now on, and where. */
  | ({
      readonly kind: "lend-frames";
      readonly ownAddress: string;
      readonly helpers: readonly { readonly task: Task; readonly address: string }[];
    } & OfMember)
  | ({ readonly kind: "abort-task"; readonly reason: string } & OfMember)
  /** Ends all calls of this coordinator: another has the store. */
  | { readonly kind: "step-down"; readonly reason: string };

/** Begins a task; the record holds all its inputs. */
interface OfTask<Kind extends string> {
  readonly kind: Kind;
  readonly editId: string;
  readonly task: Task;
  readonly record: EditRecord;
}

export type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { readonly kind: Kind }>;
