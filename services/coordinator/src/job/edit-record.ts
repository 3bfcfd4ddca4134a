/**
 * What is stored of an edit: one JSON value, from which a coordinator that never saw the edit goes
 * on. Streams under way are not in it; tasks of an earlier epoch are void.
 */
export interface EditRecord {
  readonly id: string;
  readonly tenant: string;
  readonly requestId: string;
  /** Grows by one with every write. */
  readonly revision: number;
  /** Of the coordinator that wrote it. */
  readonly epoch: number;
  /** Grows when the client asks for another try. */
  readonly attempt: number;
  readonly spec: EditSpec;
  readonly state: EditState;
  readonly phase: Phase;
  /** Why the last decision was taken. */
  readonly reason: string;
  /** The terms of its bits: those of the node that began. Empty until one did. */
  readonly numericsId: string;
  /** Of that node; empty until one began. */
  readonly engine: string;
  /** Nodes with less memory have failed. */
  readonly memoryBytesMin: number;
  /** At most the setting `batch`: fewer where so many fit on no node. */
  readonly framesPerPass: number;
  readonly tasks: readonly Task[];
  /** Of the last task: no two tasks of an edit ever have the same number. */
  readonly taskSerial: number;
  readonly artifacts: Artifacts;
  readonly tuning: Tuning;
  readonly retries: Retries;
  /** Nodes, coordinators and stores that were lost and got over. */
  readonly recoveries: number;
  readonly failure: Failure | null;
  readonly layouts: readonly LayoutReport[];
  readonly retryRequestIds: readonly string[];
  readonly submittedMs: number;
  /** 0 until then. */
  readonly startedMs: number;
  /** 0 until then. */
  readonly finishedMs: number;
}

export type EditState =
  | "queued"
  | "running"
  | "paused"
  | "canceling"
  | "succeeded"
  | "failed"
  | "canceled"
  | "expired";

/** In the order in which an edit goes through them; a task is of one of them. */
export const phases = [
  "ingest",
  "encode",
  "tune",
  "invert",
  "sample",
  "decode",
  "publish",
] as const;
export type Phase = (typeof phases)[number];

export interface EditSpec {
  readonly sourcePrompt: string;
  readonly prompts: readonly string[];
  readonly negativePrompt: string;
  readonly videoId: string;
  /** Hash or name of the model. */
  readonly model: string;
  readonly settings: EditSettings;
  readonly layout: "auto" | LayoutName;
  /** Larger goes first within a tenant: 0 to 9. */
  readonly priority: number;
  /** Unix times; 0 is none. */
  readonly startByMs: number;
  readonly finishByMs: number;
  readonly snapshotEverySteps: number;
}

/** The settings of `retake edit`, every one resolved: the same bits as alone. */
export interface EditSettings {
  readonly frames: number;
  readonly stride: number;
  readonly start: string;
  readonly width: number;
  readonly height: number;
  readonly fit: string;
  readonly steps: number;
  readonly rate: number;
  readonly draws: number;
  readonly mode: string;
  readonly temporalStart: string;
  readonly memory: string;
  readonly ddim: number;
  readonly guidance: number;
  readonly strength: number;
  readonly seed: number;
  readonly batch: number;
}

export interface FrameRange {
  readonly begin: number;
  readonly end: number;
}

export interface Task {
  readonly id: string;
  readonly kind: Phase;
  /** Which try of this work. */
  readonly attempt: number;
  readonly epoch: number;
  /** Empty: the coordinator itself. */
  readonly nodeId: string;
  readonly incarnation: string;
  /** -1 where the task is of no single prompt. */
  readonly promptIndex: number;
  readonly frames: FrameRange;
  /** The task that samples, for one that computes a guidance branch for it; else empty. */
  readonly helps: string;
  readonly startedMs: number;
}

/** What sampling and inversion go on from: the latents after so many iterations. */
export interface LatentsAt {
  readonly done: number;
  readonly total: number;
  readonly artifactId: string;
}

/** Ids of artifacts by their role; empty where there is none yet. */
export interface Artifacts {
  readonly clip: string;
  /** Of the clip's frames, in their order, as far as they are there. */
  readonly moments: readonly MomentsPart[];
  readonly delta: string;
  readonly inverted: LatentsAt;
  /** By prompt. */
  readonly sampled: readonly LatentsAt[];
  /** By prompt and frame. */
  readonly frames: readonly (readonly string[])[];
  readonly files: readonly ResultFile[];
}

export interface MomentsPart {
  readonly frames: FrameRange;
  readonly artifactId: string;
}

export interface ResultFile {
  readonly name: string;
  readonly artifactId: string;
  readonly sizeBytes: number;
}

/** What is stored of a tuning; the log of commits knows the steps since. */
export interface Tuning {
  readonly quorumId: number;
  /** Who was in the last quorum, and so may hold its state. */
  readonly members: readonly { readonly nodeId: string; readonly incarnation: string }[];
  readonly committedSteps: number;
  readonly weightsHash: string;
  readonly snapshot: Snapshot | null;
}

export interface Snapshot {
  readonly artifactId: string;
  readonly committedSteps: number;
  /** Tries of draws until then: abandoned steps count. */
  readonly attempts: number;
}

export interface Retries {
  readonly infrastructure: number;
  readonly memory: number;
  readonly fault: number;
}

/** As `proto/retake/v1/failure.proto`. */
export interface Failure {
  readonly code: string;
  readonly reason: string;
  readonly message: string;
}

export type LayoutName = "one" | "prompts" | "branches" | "draws" | "vae-frames" | "frames";

export interface LayoutReport {
  readonly phase: Phase;
  /** -1 where it is of no single prompt. */
  readonly promptIndex: number;
  readonly layout: LayoutName;
  readonly nodeIds: readonly string[];
  /** 0: not known. */
  readonly predictedMs: number;
  /** 0 while it runs. */
  readonly measuredMs: number;
  readonly reason: string;
  readonly startedMs: number;
}

const noLatents: LatentsAt = { done: 0, total: 0, artifactId: "" };

/** No artifacts yet. */
export function noArtifacts({ prompts, settings }: EditSpec): Artifacts {
  return {
    ...{ clip: "", moments: [], delta: "", files: [] },
    inverted: noLatents,
    sampled: prompts.map(() => noLatents),
    frames: prompts.map(() => Array.from({ length: settings.frames }, () => "")),
  };
}

export const noTuning: Tuning = {
  ...{ quorumId: 0, members: [], committedSteps: 0, weightsHash: "", snapshot: null },
};

export const noRetries: Retries = { infrastructure: 0, memory: 0, fault: 0 };

/** Whether nothing happens to an edit any more, unless its client asks for another try. */
export function isTerminal({ state }: Pick<EditRecord, "state">): boolean {
  return state === "succeeded" || state === "failed" || state === "canceled" || state === "expired";
}

/** Whether latents are those of the last iteration. */
export function isComplete({ done, total }: LatentsAt): boolean {
  return total > 0 && done >= total;
}
