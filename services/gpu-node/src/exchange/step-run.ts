import { setMaxListeners } from "node:events";
import { setImmediate as nextTurnOfLoop } from "node:timers/promises";
import { type DrawSum, meanOfDraws, sumOfSquares, type VectorRange } from "@retake/model/tuning";
import type { ReceivedShard } from "@retake/wire/exchange";
import type { FrameSweeper } from "./frame-sweeper.js";
import { shardDigest } from "./gradient-hash.js";
import type { ExchangeLimits } from "./limits.js";
import { type PullContext, pullPiece, type StepFailure } from "./shard-puller.js";
import type { Piece, PlannedPartial } from "./step-plan.js";
import {
  dropShard,
  finishShard,
  openStep,
  ownedPieces,
  type Pull,
  reducedGradient,
  reducedPulls,
  type StepState,
  takePiece,
} from "./step-state.js";

/** How a reduction ended. */
export type ReduceOutcome =
  | {
      readonly outcome: "reduced";
      /** The mean over the step's draws; valid until the next step or the exchange's end. */
      readonly gradient: Float32Array;
      /** By shard, for `gradientNorm`. */
      readonly sumsOfSquares: readonly number[];
      /** SHA-256 over the shards' digests, as hex: members must agree. */
      readonly gradientHash: string;
    }
  | ({ readonly outcome: "failed" } & StepFailure);

export interface StepRunOptions {
  readonly begin: Pick<StepState, "turn" | "plan" | "nodeId">;
  /** Exactly those that the plan has for this node. */
  readonly partials: readonly DrawSum[];
  /** Written to. */
  readonly gradient: Float32Array;
  /** Pieces that are free to be written to; taken and given back. */
  readonly scratch: Float32Array[];
  readonly limits: ExchangeLimits;
  readonly pulling: Omit<PullContext, "signal" | "onPending" | "limits">;
  readonly sweeper: FrameSweeper;
  /** Called when a shard is ready for others. */
  readonly onShard: () => void;
}

/** One try of a step: what this member sums for all, and what it pulls from the others. */
export class StepRun {
  readonly #options: StepRunOptions;
  readonly #end = new AbortController();
  #state: StepState;
  #failure: StepFailure | undefined;
  /** Whose partial was last missing: the suspect if the step takes too long. */
  #laggardId: string | undefined;

  constructor(options: StepRunOptions) {
    this.#options = options;
    this.#state = openStep(options.begin);
    setMaxListeners(0, this.#end.signal);
    for (const { shardIndex, pieces } of options.begin.plan.shards) {
      if (pieces.length === 0) this.#checkShard({ shardIndex });
    }
  }

  get state(): StepState {
    return this.#state;
  }

  /** Ends the run, if it has not ended by itself; what is reduced stays to be served. */
  fail(failure: StepFailure): void {
    this.#failure ??= failure;
    this.#end.abort();
  }

  async reduce(signal: AbortSignal | undefined): Promise<ReduceOutcome> {
    const stop = (): void => this.fail({ suspectNodeId: undefined, reason: "stopped" });
    if (signal?.aborted === true) stop();
    signal?.addEventListener("abort", stop, { once: true });
    const { stepDurationMs } = this.#options.limits;
    const deadline = setTimeout(() => {
      const reason = `the step took longer than ${stepDurationMs} ms`;
      this.fail({ suspectNodeId: this.#laggardId, reason });
    }, stepDurationMs);
    try {
      await Promise.all([...this.#sumOwned(), ...this.#gatherOthers()]);
    } finally {
      this.#end.abort();
      clearTimeout(deadline);
      signal?.removeEventListener("abort", stop);
    }
    const reduced = reducedGradient(this.#state);
    if (this.#failure !== undefined) return { outcome: "failed", ...this.#failure };
    if (reduced === undefined) throw new Error("step: ended without a failure or all shards");
    const { sumsOfSquares, hash } = reduced;
    const { gradient } = this.#options;
    return { outcome: "reduced", gradient, sumsOfSquares, gradientHash: hash };
  }

  /** Some loops that share the pieces of the shards that are ours. */
  #sumOwned(): readonly Promise<void>[] {
    const { begin, limits } = this.#options;
    const others = begin.plan.partials.filter(({ nodeId }) => nodeId !== begin.nodeId);
    const openMax = boundedWindow(limits, others.length);
    const pieces = ownedPieces(this.#state).values();
    const loop = async (): Promise<void> => {
      for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
        await this.#sumPiece(next.value);
        if (this.#end.signal.aborted) return;
        // Without peers nothing else would let the process answer anybody.
        if (others.length === 0) await nextTurnOfLoop();
      }
    };
    return Array.from({ length: others.length === 0 ? 1 : openMax }, loop);
  }

  /** Adds up one piece over all draws, by the tree, into the gradient. */
  async #sumPiece(piece: Piece): Promise<void> {
    const { begin, limits, scratch } = this.#options;
    const { partials, drawCount } = begin.plan;
    const target = this.#valuesAt(piece.range);
    const length = limits.pieceBytesMax / Float32Array.BYTES_PER_ELEMENT;
    const borrowed = partials.slice(1).map(() => scratch.pop() ?? new Float32Array(length));
    // The tree adds to its leftmost sum, which so becomes the result in its place.
    const places = [target, ...borrowed.map((values) => values.subarray(0, target.length))];
    await Promise.all(places.map((into, i) => this.#fetchPartial(partials[i], piece, into)));
    if (!this.#end.signal.aborted) {
      const sums = places.map((sum, i): DrawSum => {
        const { firstDraw = 0, drawCount: covered = 0 } = partials[i] ?? {};
        return { firstDraw, drawCount: covered, sum };
      });
      const mean = meanOfDraws(sums, drawCount);
      if (mean !== target) target.set(mean);
      this.#take(piece);
    }
    scratch.push(...borrowed);
  }

  async #fetchPartial(
    partial: PlannedPartial | undefined,
    piece: Piece,
    into: Float32Array,
  ): Promise<void> {
    if (partial === undefined) return;
    const { begin, partials } = this.#options;
    if (partial.nodeId === begin.nodeId) {
      const own = partials.find(({ firstDraw }) => firstDraw === partial.firstDraw);
      into.set(own?.sum.subarray(piece.range.begin, piece.range.end) ?? []);
      return;
    }
    const pull: Pull = { peerId: partial.nodeId, kind: "partial", piece, draws: partial };
    const received = await this.#pull(pull);
    if (received !== undefined) copyBytes(received.bytes, into);
  }

  /** Some loops for each peer, over the pieces that it reduces. */
  #gatherOthers(): readonly Promise<void>[] {
    const { begin, limits } = this.#options;
    const owners = new Set(begin.plan.shards.map(({ ownerId }) => ownerId));
    owners.delete(begin.nodeId);
    const window = boundedWindow(limits, owners.size);
    return [...owners].flatMap((peerId) => {
      const pulls = [...reducedPulls(this.#state, peerId)];
      const loop = async (): Promise<void> => {
        for (let pull = pulls.shift(); pull !== undefined; pull = pulls.shift()) {
          const received = await this.#pull(pull);
          if (received === undefined) return;
          copyBytes(received.bytes, this.#valuesAt(pull.piece.range));
          const { shardIndex } = pull.piece;
          if (this.#take(pull.piece, received.head.sumOfSquares)) continue;
          pulls.push(...reducedPulls(this.#state, peerId).filter(isOf(shardIndex)));
        }
      };
      return Array.from({ length: Math.min(window, pulls.length) }, loop);
    });
  }

  async #pull(pull: Pull): Promise<ReceivedShard | undefined> {
    const { pulling, limits, sweeper } = this.#options;
    const onPending = ({ kind, peerId }: Pull): void => {
      if (kind === "partial") this.#laggardId = peerId;
    };
    const context = { ...pulling, limits, signal: this.#end.signal, onPending };
    const result = await pullPiece(this.#state, pull, context);
    if (result.kind === "failed") this.fail(result.failure);
    if (result.kind !== "taken" || this.#end.signal.aborted) return undefined;
    pulling.counter.add("framesTaken");
    pulling.counter.add("bytesTaken", result.received.bytes.length);
    sweeper.moved(result.received.bytes.length);
    return result.received;
  }

  /**
   * Notes a piece, and checks its shard once it is complete.
   *
   * @param ownersSum  what the owner says the sum of squares is; undefined if that is us
   * @returns          false if the shard must be pulled again
   */
  #take(piece: Piece, ownersSum?: number): boolean {
    const { state, isShardComplete } = takePiece(this.#state, piece);
    this.#state = state;
    return !isShardComplete || this.#checkShard(piece, ownersSum);
  }

  #checkShard({ shardIndex }: Pick<Piece, "shardIndex">, ownersSum?: number): boolean {
    const range = this.#options.begin.plan.shards[shardIndex]?.range ?? { begin: 0, end: 0 };
    const values = this.#valuesAt(range);
    const ownSum = sumOfSquares(values, { begin: 0, end: values.length });
    if (ownersSum !== undefined && !Object.is(ownSum, ownersSum)) {
      this.#options.pulling.counter.add("framesRefused");
      this.#state = dropShard(this.#state, { shardIndex });
      return false;
    }
    const sum = { shardIndex, sumOfSquares: ownSum, digest: shardDigest(values) };
    this.#state = finishShard(this.#state, sum);
    this.#options.onShard();
    return true;
  }

  #valuesAt({ begin, end }: VectorRange): Float32Array {
    return this.#options.gradient.subarray(begin, end);
  }
}

const isOf =
  (shardIndex: number) =>
  ({ piece }: Pull): boolean =>
    piece.shardIndex === shardIndex;

/** Requests at a time to each of some peers, within all bounds; at least one. */
function boundedWindow(limits: ExchangeLimits, peerCount: number): number {
  const { windowPerPeerMax, bytesInFlightMax, pieceBytesMax } = limits;
  const fitting = Math.floor(bytesInFlightMax / (Math.max(1, peerCount) * pieceBytesMax));
  return Math.max(1, Math.min(windowPerPeerMax, fitting));
}

/** Frames lie anywhere in a message: their values are not aligned. Little-endian, as all hosts. */
function copyBytes(from: Uint8Array, into: Float32Array): void {
  new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(from);
}
