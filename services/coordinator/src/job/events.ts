import type { CommitSummary, NodeInfo, NodeRates } from "./cluster-state.js";
import type { StepReduced } from "./commit-record.js";
import type { EditRecord, EditSpec, Failure, LatentsAt, ResultFile } from "./edit-record.js";
import type { Leaver } from "./leavers.js";

/** Who says something of a task: compared with the record before anything is believed. */
export interface TaskOrigin {
  readonly editId: string;
  readonly taskId: string;
  /** Empty, and the incarnation too, where the coordinator runs the task itself. */
  readonly nodeId: string;
  readonly incarnation: string;
  /** Of the coordinator that began the task. */
  readonly epoch: number;
}

interface OfStep extends TaskOrigin {
  readonly quorumId: number;
  readonly step: number;
}

/** What a task made; which fields there are depends on its kind. */
export interface TaskResult {
  /** Of ingest, encode and tune: clip, moments, delta. Else empty: it came before. */
  readonly artifactId: string;
  /** Of publish. */
  readonly files: readonly ResultFile[];
}

/** A tuning as its log tells it, the last record counted. */
export interface CommitLog {
  readonly committedSteps: number;
  readonly attempts: number;
  readonly weightsHash: string;
  /** From the step of the record's snapshot on. */
  readonly commits: readonly CommitSummary[];
}

export type CoordinatorEvent =
  | { readonly kind: "tick" }
  /** The store is this coordinator's: its epoch is in every open record and fences every log. */
  | {
      readonly kind: "coordinator-took-over";
      readonly epoch: number;
      readonly records: readonly EditRecord[];
      readonly logs: ReadonlyMap<string, CommitLog>;
    }
  /**
   * A record that an earlier coordinator created when this one had read all there were: it has been
   * given this epoch, and its log a fence. Comes of watching the records, and of a create that met
   * it.
   */
  | { readonly kind: "record-found"; readonly record: EditRecord; readonly log: CommitLog }
  /** A write met another coordinator's. */
  | { readonly kind: "fenced"; readonly what: string }
  | { readonly kind: "store-full"; readonly what: string }
  | { readonly kind: "store-has-room" }
  /** The record of a terminal edit was removed by retention. */
  | { readonly kind: "forgotten"; readonly editId: string }
  // of clients
  | {
      readonly kind: "submitted";
      /** A function of tenant and request, so that the same request is the same edit. */
      readonly editId: string;
      readonly tenant: string;
      readonly requestId: string;
      readonly spec: EditSpec;
    }
  | { readonly kind: "cancel"; readonly editId: string; readonly tenant: string }
  | {
      readonly kind: "retry";
      readonly editId: string;
      readonly tenant: string;
      readonly requestId: string;
    }
  // of nodes
  | { readonly kind: "node-joined"; readonly info: NodeInfo; readonly rates: NodeRates }
  | {
      readonly kind: "heartbeat";
      readonly nodeId: string;
      readonly incarnation: string;
      readonly rates: NodeRates;
      readonly taskIds: readonly string[];
    }
  | { readonly kind: "drain"; readonly nodeId: string; readonly why?: string }
  /** Whoever started the node at this address says that it is there no more. */
  | { readonly kind: "node-gone"; readonly nodeId: string; readonly address: string }
  // of the pool
  /** These leave for good: they hand over what they have, and get no work if they come back. */
  | { readonly kind: "pool-shrinks"; readonly leavers: readonly Leaver[] }
  /** The pool has its size, or keeps the one it had: every node is like any other again. */
  | { readonly kind: "pool-settled" }
  /** The nodes on machines that take no more pods, all there are: they hand over, and are held. */
  | { readonly kind: "machines-cordoned"; readonly leavers: readonly Leaver[] }
  // of tasks
  | ({ readonly kind: "task-progress"; readonly done: number; readonly total: number } & TaskOrigin)
  | ({ readonly kind: "task-finished"; readonly result: TaskResult } & TaskOrigin)
  | ({ readonly kind: "task-failed"; readonly failure: Failure } & TaskOrigin)
  /** The bytes are stored: of an inversion or a sampling. */
  | ({ readonly kind: "latents"; readonly latents: LatentsAt } & TaskOrigin)
  /** The bytes of a decoded frame are stored. */
  | ({ readonly kind: "frame"; readonly frame: number; readonly artifactId: string } & TaskOrigin)
  // of a tuning
  | ({
      readonly kind: "member-ready";
      readonly quorumId: number;
      /** Steps of the state that the member holds, whatever it was asked for. */
      readonly committedSteps: number;
      readonly weightsHash: string;
    } & TaskOrigin)
  | ({ readonly kind: "step-reduced"; readonly reduced: StepReduced } & OfStep)
  | ({ readonly kind: "step-applied"; readonly weightsHash: string } & OfStep)
  | ({
      readonly kind: "step-failed";
      readonly suspectNodeId: string;
      readonly failure: Failure;
    } & OfStep)
  | ({
      readonly kind: "snapshot-stored";
      readonly committedSteps: number;
      readonly artifactId: string;
    } & TaskOrigin)
  | {
      readonly kind: "commit-written";
      readonly editId: string;
      readonly epoch: number;
      readonly quorumId: number;
      readonly step: number;
    };

/** An event of one kind. */
export type EventOf<Kind extends CoordinatorEvent["kind"]> = Extract<
  CoordinatorEvent,
  { readonly kind: Kind }
>;
