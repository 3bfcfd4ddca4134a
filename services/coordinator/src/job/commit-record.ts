/** A step counts when this exists in the log; written with compare-and-set on the one before. */
export interface CommitRecord {
  readonly editId: string;
  readonly epoch: number;
  readonly step: number;
  readonly quorumId: number;
  readonly nodeIds: readonly string[];
  readonly numericsId: string;
  readonly gradientHash: string;
  /** Of the vector that the step began from; empty if nobody told. */
  readonly weightsHash: string;
  /** Tries of draws until now, this one and abandoned ones included. */
  readonly attempts: number;
  readonly loss: number;
}

/** What a member says when it holds the whole reduced gradient of a step. */
export interface StepReduced {
  readonly lossSum: number;
  readonly drawCount: number;
  readonly isFinite: boolean;
  readonly gradientHash: string;
  readonly gradientNorm: number;
}

/** Where a member finds the state of the step that its quorum begins with. */
export type StateSource =
  | { readonly kind: "start" }
  | { readonly kind: "own" }
  | { readonly kind: "snapshot"; readonly artifactId: string }
  | { readonly kind: "peer"; readonly nodeId: string };

/** The present set of ranks: members in rank order. */
export interface Quorum {
  readonly quorumId: number;
  /** The step that it begins with: below the length of the log while steps are done again. */
  readonly committedSteps: number;
  readonly attempts: number;
  readonly members: readonly QuorumMember[];
  readonly shardCount: number;
  /** Of the vector at that step; empty if not known. */
  readonly weightsHash: string;
}

export interface QuorumMember {
  readonly nodeId: string;
  readonly address: string;
  readonly state: StateSource;
}
