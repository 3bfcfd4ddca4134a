import type { RetakeError } from "@retake/errors";
import type { Transport } from "@retake/wire/tls";
import type { ShardConnection } from "../exchange/index.js";
import type { FrameGroups } from "../frames/frame-groups.js";
import type { ArtifactCache } from "./artifact-cache.js";
import type { BranchCall, CallDesk, FramesCall } from "./call-desk.js";
import type { LentBranch, LentPeers, LentRanks } from "./lent-peers.js";
import type { ModelShelf } from "./model-shelf.js";
import type { SendChunk } from "./send-file.js";
import type { TaskBoard } from "./task-board.js";

/** Who has the state of a tuning. */
export interface StateHolder {
  /** Of the edit: the state is for those who have it. */
  readonly jobKey: Uint8Array;
  /** @throws RetakeError  `quorum-changed` where the state is that of another step */
  sendSnapshot(committedSteps: number, send: SendChunk): Promise<void>;
}

/** What every handler of a node works with. */
export interface NodeContext {
  readonly nodeId: string;
  /** How it reaches other nodes. */
  readonly transport: Transport;
  readonly models: ModelShelf;
  readonly board: TaskBoard;
  readonly artifacts: ArtifactCache;
  /** For files that live as long as a task. */
  readonly workFolder: string;
  /** The tunings that have a state, by edit. */
  readonly tunings: Map<string, StateHolder>;
  readonly branches: CallDesk<BranchCall>;
  readonly lent: LentPeers<LentBranch>;
  /** A clock that never goes back. */
  readonly nowMs: () => number;
  /** Who shares frames with tasks of this node, and whose frames this node shares. */
  readonly lentRanks: LentPeers<LentRanks>;
  readonly frames: CallDesk<FramesCall>;
  readonly groups: FrameGroups;
  /** The cluster's NATS; undefined if it has none. */
  readonly nats: () => Promise<ShardConnection | undefined>;
  /** Tells whenever NATS is there again after it was lost; returns what ends it. */
  readonly onReconnect: (listener: () => void) => () => void;
  readonly onError: (error: RetakeError) => void;
  /** Of a method that answers with an error. */
  readonly onCallFailed: (method: string, error: RetakeError) => void;
}
