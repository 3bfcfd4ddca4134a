import { strict as assert } from "node:assert";
import { Code, RetakeError } from "@retake/errors";
import type { DrawSum, VectorRange } from "@retake/model/tuning";
import { shardSubject } from "@retake/wire";
import { decodeEditId, decodeNodeId } from "@retake/wire/decoders";
import { ShardKind, type ShardRequest } from "@retake/wire/exchange";
import { prepareMemory } from "@retake/wire/memory";
import { FrameSweeper } from "./frame-sweeper.js";
import { type ExchangeLimits, exchangeLimits } from "./limits.js";
import { type Position, type ShardAnswer, shardAnswer } from "./shard-answer.js";
import { ExchangeCounter, type ExchangeCounts, type ShardConnection } from "./shard-connection.js";
import { ShardServer } from "./shard-server.js";
import { createStepPlan, shardCountProblem } from "./step-plan.js";
import { type ReduceOutcome, StepRun } from "./step-run.js";
import { compareTurns, type StepTurn, turnText } from "./step-turn.js";

export interface ExchangeOptions {
  /** Undefined if every quorum has one member. Owned by the caller, who closes it afterwards. */
  readonly connection: ShardConnection | undefined;
  /**
   * Tells whenever the connection was lost and is there again, and returns what ends it: what was
   * asked before is asked again at once, not when the time for an answer is up.
   */
  readonly onReconnect?: (listener: () => void) => () => void;
  readonly editId: string;
  /** Of the edit: seals what members send each other; what others send is not taken. */
  readonly jobKey: Uint8Array;
  readonly nodeId: string;
  /** Of the flat trainable vector, in values. */
  readonly vectorLength: number;
  readonly limits?: Partial<ExchangeLimits>;
}

export interface ExchangeQuorum {
  readonly quorumId: number;
  /** In rank order. */
  readonly nodeIds: readonly string[];
  readonly shardCount: number;
}

export interface ReduceRequest extends StepTurn {
  readonly drawCount: number;
  /**
   * What `mergedDrawSums` leaves of the draws of this node's rank. Read until the step has ended
   * everywhere, and never written to.
   */
  readonly partials: readonly DrawSum[];
  readonly signal?: AbortSignal;
}

/**
 * One node's side of the gradient exchange of one tuning.
 *
 * `setQuorum`, then for each step `reduce`, and `endStep` once the coordinator has committed or
 * abandoned it: until then others may still pull. A new quorum ends what is under way.
 */
export interface Exchange {
  /** @throws RetakeError  `quorum-changed` for one that is not newer; `bad-message` */
  setQuorum(quorum: ExchangeQuorum): void;
  reduce(request: ReduceRequest): Promise<ReduceOutcome>;
  endStep(): void;
  readonly counts: ExchangeCounts;
  close(): void;
}

/** Joins the exchange: from now on peers find this node, and wait for it if they are ahead. */
export function createExchange(options: ExchangeOptions): Exchange {
  return new NodeExchange(options);
}

class NodeExchange implements Exchange {
  readonly #options: ExchangeOptions;
  readonly #limits: ExchangeLimits;
  readonly #counter = new ExchangeCounter();
  readonly #sweeper: FrameSweeper;
  readonly #server: ShardServer | undefined;
  /** Made once: a fresh vector for every step would fill the memory before it is collected. */
  #gradient: Float32Array | undefined;
  readonly #scratch: Float32Array[] = [];
  /** Asks again, one for each request that waits for an answer. */
  readonly #askAgain = new Set<() => void>();
  readonly #endReconnects: (() => void) | undefined;
  #quorum: ExchangeQuorum | undefined;
  #turn: StepTurn = { quorumId: 0, step: -1, attempts: -1 };
  #open: { readonly run: StepRun; readonly partials: readonly DrawSum[] } | undefined;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#limits = { ...exchangeLimits, ...options.limits };
    this.#sweeper = new FrameSweeper({ everyBytes: this.#limits.sweepBytes });
    const { connection, nodeId, jobKey } = options;
    if (connection === undefined) return;
    this.#endReconnects = options.onReconnect?.(() => {
      for (const again of [...this.#askAgain]) again();
    });
    prepareMemory();
    this.#server = new ShardServer({
      ...{ connection, jobKey, subject: this.#subjectOf(nodeId), limits: this.#limits },
      ...{ counter: this.#counter, sweeper: this.#sweeper },
      source: {
        answerTo: (request) => this.#answerTo(request),
        bytesOf: (request, range) => this.#bytesOf(request, range),
      },
    });
  }

  get counts(): ExchangeCounts {
    return this.#counter.counts;
  }

  setQuorum(quorum: ExchangeQuorum): void {
    const { quorumId, nodeIds, shardCount } = quorum;
    const { nodeId, connection } = this.#options;
    if (quorumId <= this.#turn.quorumId) {
      const message = `quorum: expected one after ${this.#turn.quorumId}, got ${quorumId}`;
      throw new RetakeError(Code.FailedPrecondition, "quorum-changed", message);
    }
    const isOfSome = nodeIds.includes(nodeId) && new Set(nodeIds).size === nodeIds.length;
    const problem =
      shardCountProblem(shardCount) ??
      (isOfSome ? undefined : `quorum: expected each member once, ${nodeId} too`) ??
      (connection !== undefined || nodeIds.length === 1
        ? undefined
        : "quorum: expected this node alone, it has no NATS");
    if (problem !== undefined) {
      throw new RetakeError(Code.InvalidArgument, "bad-message", problem);
    }
    this.#closeStep(`quorum ${quorumId} begins`);
    this.#quorum = quorum;
    this.#turn = { quorumId, step: -1, attempts: -1 };
    this.#server?.wake();
  }

  async reduce(request: ReduceRequest): Promise<ReduceOutcome> {
    const { quorumId, step, attempts, partials, signal } = request;
    const turn = { quorumId, step, attempts };
    const quorum = this.#quorum;
    if (quorum === undefined || quorumId !== quorum.quorumId) {
      const reason = `${turnText(turn)} is not of the present quorum`;
      return { outcome: "failed", suspectNodeId: undefined, reason };
    }
    assert.ok(this.#open === undefined, "exchange: a step is open; end it first");
    assert.ok(compareTurns(turn, this.#turn) >= 0, `exchange: ${turnText(turn)} is over`);
    const run = this.#createRun(turn, quorum, request);
    this.#turn = turn;
    this.#open = { run, partials };
    this.#server?.wake();
    return run.reduce(signal);
  }

  endStep(): void {
    this.#closeStep("the step has ended");
  }

  close(): void {
    this.#closeStep("the exchange is closed");
    this.#server?.close();
    this.#endReconnects?.();
    this.#gradient = undefined;
    this.#scratch.length = 0;
  }

  #createRun(turn: StepTurn, { nodeIds }: ExchangeQuorum, request: ReduceRequest): StepRun {
    const { vectorLength, nodeId, connection, jobKey } = this.#options;
    const { drawCount, partials } = request;
    const { pieceBytesMax } = this.#limits;
    const plan = createStepPlan(nodeIds, { vectorLength, drawCount, pieceBytesMax });
    const planned = plan.partials.filter((partial) => partial.nodeId === nodeId);
    const isPlanned = planned.every(
      (partial, i) =>
        partials[i]?.firstDraw === partial.firstDraw &&
        partials[i].drawCount === partial.drawCount &&
        partials[i].sum.length === vectorLength,
    );
    assert.ok(isPlanned && planned.length === partials.length, "exchange: other partials planned");
    this.#gradient ??= new Float32Array(vectorLength);
    return new StepRun({
      ...{ begin: { turn, plan, nodeId }, partials },
      ...{ gradient: this.#gradient, scratch: this.#scratch },
      ...{ limits: this.#limits, sweeper: this.#sweeper },
      pulling: {
        ...{ connection, jobKey },
        counter: this.#counter,
        askAgain: this.#askAgain,
        subjectOf: (peerId) => this.#subjectOf(peerId),
      },
      onShard: () => this.#server?.wake(),
    });
  }

  #closeStep(reason: string): void {
    this.#open?.run.fail({ suspectNodeId: undefined, reason });
    this.#open = undefined;
  }

  #answerTo(request: ShardRequest): ShardAnswer {
    const position: Position = { turn: this.#turn, state: this.#open?.run.state };
    return shardAnswer(position, request);
  }

  #bytesOf({ kind, firstDraw }: ShardRequest, { begin, end }: VectorRange): Uint8Array {
    const isPartial = kind === ShardKind.SHARD_KIND_PARTIAL;
    const partial = this.#open?.partials.find((sum) => sum.firstDraw === firstDraw);
    const vector = isPartial ? partial?.sum : this.#gradient;
    assert.ok(vector !== undefined, "exchange: served what is not here");
    const values = vector.subarray(begin, end);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }

  #subjectOf(nodeId: string): string {
    const editId = decodeEditId(this.#options.editId);
    return shardSubject({ editId, nodeId: decodeNodeId(nodeId) });
  }
}
