import type { CommitRecord, StepReduced } from "./commit-record.js";
import type { EditRecord, Failure } from "./edit-record.js";
import type { Plan } from "./planning.js";

/** Where a piece of work is done: by the coordinator's own process, or by a node. */
export type Place = "here" | "nodes";

/** All that a coordinator knows. Of it, only the records of the edits are stored. */
export interface ClusterState {
  readonly coordinatorId: string;
  /** Grows with every takeover; 0 until the first. */
  readonly epoch: number;
  /** A fenced coordinator has lost the store to another, and decides nothing. */
  readonly role: "standby" | "active" | "fenced";
  readonly isStoreFull: boolean;
  readonly edits: ReadonlyMap<string, EditView>;
  readonly nodes: ReadonlyMap<string, NodeView>;
  /** What each tenant has been given, by place, as virtual time: who has least is next. */
  readonly shares: Readonly<Record<Place, ReadonlyMap<string, number>>>;
  /** Time for leases: goes neither back nor faster than ticks come. */
  readonly leaseClock: { readonly seenMs: number; readonly nowMs: number };
  /** Nodes by name that have to leave, by why: who of them comes back gets no work. */
  readonly leaving: Readonly<Record<LeavingCause, ReadonlySet<string>>>;
  /** Events that were refused, by the reason of their refusal. */
  readonly refused: ReadonlyMap<string, number>;
}

/** The pool shrinks; or the machine that a node runs on shall be emptied. */
export type LeavingCause = "pool" | "cordon";

export interface EditView {
  readonly record: EditRecord;
  /** Null unless this coordinator has tuned the edit, or read its log. */
  readonly tune: TuneView | null;
  /** Of the tasks under way, by task. */
  readonly progress: ReadonlyMap<string, { readonly done: number; readonly total: number }>;
  /** How several prompts are sampled; null where none of them may be held back. */
  readonly sampling: SamplingView | null;
}

/** A sampling of several prompts by all nodes that there are for it. */
export interface SamplingView {
  readonly plan: Plan;
  /** Of its nodes. */
  readonly nodeIds: ReadonlySet<string>;
  /** That there were for it. */
  readonly nodeCount: number;
}

/** A step of the log, since the snapshot. */
export type CommitSummary = Pick<CommitRecord, "step" | "gradientHash" | "attempts">;

/** A tuning under way. */
export interface TuneView {
  /** Steps in the log. */
  readonly committedSteps: number;
  /** Tries of draws at the end of the log, abandoned ones included. */
  readonly headAttempts: number;
  /** Of the log, from the snapshot on. */
  readonly commits: readonly CommitSummary[];
  /** The step under way; below `committedSteps` while steps are computed again. */
  readonly atStep: number;
  readonly attempts: number;
  readonly members: readonly MemberView[];
  /** A commit that the store has been asked for. */
  readonly pending: CommitRecord | null;
  /** Why the quorum must change as soon as the pending commit is decided; empty: it need not. */
  readonly changeWanted: string;
  readonly weights: { readonly step: number; readonly hash: string } | null;
  readonly nonFiniteInRow: number;
  readonly disagreementsInRow: number;
  /** When the step under way last went on, by the lease clock. */
  readonly heardMs: number;
  /** Of the last snapshot that a member of this quorum was asked for: it may be under way. */
  readonly snapshotAskedStep: number;
  /** The member that was asked for the delta; empty: none. */
  readonly finisher: string;
}

export interface MemberView {
  readonly nodeId: string;
  readonly taskId: string;
  /** Steps of the state that it holds: 0 is the start, which all can make; null: not known. */
  readonly holds: number | null;
  /** Whether its state was asked of another, so that less than asked for is a failure. */
  readonly isFetching: boolean;
  readonly isReady: boolean;
  readonly reduced: StepReduced | null;
  readonly weights: { readonly step: number; readonly hash: string } | null;
}

export interface NodeInfo {
  readonly nodeId: string;
  /** One life of the process. */
  readonly incarnation: string;
  readonly protocolVersion: number;
  readonly address: string;
  readonly memoryBytes: number;
  readonly engine: string;
  readonly numericsId: string;
  readonly models: readonly {
    readonly hash: string;
    readonly name: string;
    /** Values of the flat vector. */
    readonly tunedParameters: number;
    /** Null where the node does not tell. */
    readonly frameCoupling: FrameCoupling | null;
    /** None where the node does not tell. */
    readonly passMemory: readonly PassMemory[];
    /** None where the node does not tell. */
    readonly passFlops: readonly PassFlops[];
  }[];
}

/** What a pass takes: so much, and so much more for each pixel of each frame. */
export interface PassMemory {
  readonly kind: PassKind;
  /** Gradients with the setting `memory: low`. */
  readonly lowMemory: boolean;
  readonly fixedBytes: number;
  readonly bytesPerPixel: number;
}

/**
 * What a pass takes of floating-point operations: so many for each pixel of each frame, and more
 * for each pair of pixels of a frame, since attention compares them.
 */
export interface PassFlops {
  readonly kind: PassKind;
  /** Gradients with the setting `memory: low`. */
  readonly lowMemory: boolean;
  readonly flopsPerPixel: number;
  readonly flopsPerPixelPair: number;
}

/** What nodes that share the frames of a clip exchange in a pass. */
export interface FrameCoupling {
  /** How often a node waits for others. */
  readonly waits: number;
  /** Of frames before its own, for each pixel of a frame. */
  readonly haloBytesPerPixel: number;
  /** For sites, there and back, for each pixel of each frame. */
  readonly siteBytesPerPixel: number;
}

export type PassKind = "unet" | "gradients" | "encode" | "decode";

/** How long a pass took on a node lately. */
export interface PassTime {
  readonly modelHash: string;
  readonly kind: PassKind;
  readonly frames: number;
  readonly pixelsPerFrame: number;
  /** Of as many passes as the node runs at once. */
  readonly durationMs: number;
  readonly passesAtOnce: number;
}

export interface NodeRates {
  /** 0 where not measured yet. */
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
  readonly passes: readonly PassTime[];
}

export interface NodeView {
  readonly info: NodeInfo;
  readonly rates: NodeRates;
  /** Held: it came back although it has to leave. */
  readonly state: "ready" | "draining" | "held" | "quarantined";
  readonly reason: string;
  /** All three by the lease clock. */
  readonly leaseEndsMs: number;
  readonly restsUntilMs: number;
  readonly joinedMs: number;
  readonly tasks: readonly NodeTask[];
  /** Of the last task: another model must be loaded first. */
  readonly modelLoaded: string;
}

/** A task that the node is believed to run, whether a record still names it or not. */
export interface NodeTask {
  readonly taskId: string;
  readonly editId: string;
  readonly heardMs: number;
  /** Heartbeats in a row that did not name it. */
  readonly missed: number;
}

export interface DecideOptions {
  readonly protocolVersion: number;
  readonly leaseDurationMs: number;
  /** The lease clock moves no further than this between two events. */
  readonly tickGapMaxMs: number;
  /** A task that a node was given less long ago need not be in its heartbeats. */
  readonly taskStartGraceMs: number;
  /** Nothing heard of a task for so long: it is begun again. */
  readonly taskStallMs: number;
  readonly stepStallMs: number;
  /** A node that failed is left alone for so long. */
  readonly nodeRestMs: number;
  readonly quarantineDurationMs: number;
  readonly missedHeartbeatsMax: number;
  readonly coordinatorTasksMax: number;
  readonly openEditsPerTenantMax: number;
  readonly openEditsMax: number;
  readonly promptsMax: number;
  readonly infrastructureRetriesMax: number;
  readonly faultRetriesMax: number;
  readonly nonFiniteInRowMax: number;
  readonly disagreementsInRowMax: number;
  readonly membersMax: number;
  readonly shardCount: number;
  readonly framesPerTaskMin: number;
}

export const defaultOptions: DecideOptions = {
  ...{ protocolVersion: 1, leaseDurationMs: 10_000, tickGapMaxMs: 2_000 },
  ...{ taskStartGraceMs: 5_000, taskStallMs: 600_000, stepStallMs: 300_000 },
  ...{ nodeRestMs: 15_000, quarantineDurationMs: 60_000, missedHeartbeatsMax: 2 },
  ...{ coordinatorTasksMax: 2, openEditsPerTenantMax: 1_000, openEditsMax: 10_000 },
  ...{ promptsMax: 64, infrastructureRetriesMax: 20, faultRetriesMax: 2 },
  ...{ nonFiniteInRowMax: 3, disagreementsInRowMax: 3, membersMax: 64, shardCount: 64 },
  framesPerTaskMin: 1,
};

export const noShares: ClusterState["shares"] = { here: new Map(), nodes: new Map() };

/** A coordinator that has just started: it must take over before it may decide. */
export function standby(coordinatorId: string): ClusterState {
  return {
    ...{ coordinatorId, epoch: 0, role: "standby", isStoreFull: false },
    ...{ edits: new Map(), nodes: new Map(), refused: new Map() },
    ...{ shares: noShares, leaving: { pool: new Set(), cordon: new Set() } },
    leaseClock: { seenMs: 0, nowMs: 0 },
  };
}

/** Why an event changed nothing. */
export type Refusal = Failure;
