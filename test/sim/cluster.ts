import type {
  ClusterState,
  CoordinatorEvent,
  DecideOptions,
  Decision,
  decide,
  Effect,
  EventOf,
} from "@retake/coordinator/job";
import type { Store } from "./store.js";
import type { Process, World } from "./world.js";

/** A coordinator, as nodes, clients and faults see it. */
export interface CoordinatorPort extends Process {
  readonly state: ClusterState;
  clockOffsetMs: number;
  start(): void;
  crash(restartMs: number): void;
  handle(event: CoordinatorEvent): Decision;
  submit(event: EventOf<"submitted">, answer: (isAccepted: boolean) => void): void;
}

/** The state of a tuning, as a member holds it. */
export interface Tuned {
  readonly step: number;
  readonly weights: number;
}

/** A member's sum over its draws of a step, which the others pull. */
export interface DrawPartial {
  readonly editId: string;
  readonly quorumId: number;
  readonly step: number;
  readonly attempts: number;
  readonly sum: number;
}

/** A node, as coordinators, other nodes and faults see it. */
export interface NodePort extends Process {
  readonly jobs: ReadonlyMap<string, { readonly editId: string }>;
  isFull: boolean;
  isCorrupt: boolean;
  start(): void;
  crash(restartMs: number): void;
  command(command: { from: CoordinatorPort; epoch: number; effect: Effect }): void;
  tunedFor(editId: string): Tuned | undefined;
  /** A pass of the branch that a task serves; undefined where it is not here. */
  branchFor(taskId: string, latents: number): number | undefined;
  /** Whoever was served asks for no more, or is gone. */
  endBranch(taskId: string, isFailed: boolean): void;
  partials(): readonly DrawPartial[];
}

export interface Cluster {
  readonly world: World;
  readonly store: Store;
  readonly nodes: readonly NodePort[];
  readonly coordinators: readonly CoordinatorPort[];
  readonly options: DecideOptions;
  readonly decide: typeof decide;
  /** Likelihood that a coordinator dies at an effect. */
  crashAtEffect: number;
}
