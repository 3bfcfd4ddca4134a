import { fromUnknown, type RetakeError } from "@retake/errors";
import type { Logger } from "pino";
import type { Leaving, PoolView } from "../job/leavers.js";
import type { Reign } from "../loop/reign.js";
import { goneDurationMsMax } from "./limits.js";
import type { Pool } from "./pool.js";

/** What of a reign is needed to scale. */
export type ScaledReign = Pick<Reign, "state" | "tell" | "changed" | "signal">;

export interface ShrinkingOptions {
  readonly reign: ScaledReign;
  readonly pool: Pool;
  readonly view: PoolView;
  readonly count: number;
  readonly leaving: Leaving;
  /** How long those that leave may take: then the pool gets its size all the same. */
  readonly handOverMs: number;
  /** A signal that is aborted after so long. */
  readonly deadline: (durationMs: number) => AbortSignal;
  readonly logger: Logger;
}

/**
 * A pool that becomes smaller: those that leave drain, they hand over, and then the pool is asked
 * for fewer. Each of the three may be the last that this process does: before the pool is asked,
 * whoever has drained and is started again simply joins again.
 */
export class Shrinking {
  readonly reign: ScaledReign;
  readonly view: PoolView;
  readonly count: number;
  readonly leaving: Leaving;
  /** Settles when the pool has been asked for its size, with those that had not handed over. */
  readonly ended: Promise<ReadonlySet<string>>;
  /** Of the processes that leave: one that has started again since then has handed over. */
  readonly #lives: ReadonlyMap<string, string>;
  readonly #options: ShrinkingOptions;
  readonly #stop = new AbortController();
  /** Handing over; then gone from the pool, but not all processes have ended; then over. */
  #state: "hands-over" | "asked" | "over" = "hands-over";

  constructor(options: ShrinkingOptions) {
    const { reign, view, count, leaving } = options;
    this.#options = options;
    this.reign = reign;
    this.view = view;
    this.count = count;
    this.leaving = leaving;
    const lives = leaving.leavers.flatMap(({ nodeId }) => {
      const node = reign.state.nodes.get(nodeId);
      return node === undefined ? [] : [[nodeId, node.info.incarnation] as const];
    });
    this.#lives = new Map(lives);
    reign.tell({ kind: "pool-shrinks", leavers: leaving.leavers });
    this.ended = this.#handOver();
    void this.#untilOver();
  }

  get state(): "hands-over" | "asked" | "over" {
    return this.#state;
  }

  /** Those that have not handed over yet. */
  get busy(): ReadonlySet<string> {
    const { nodes } = this.reign.state;
    const busy = [...this.#lives].filter(([nodeId, incarnation]) => {
      const node = nodes.get(nodeId);
      return node?.info.incarnation === incarnation && node.tasks.length > 0;
    });
    return new Set(busy.map(([nodeId]) => nodeId));
  }

  /** Another change takes its place: those that leave are its business now. */
  replace(error: RetakeError): void {
    this.#state = "over";
    this.#stop.abort(error);
  }

  get #signal(): AbortSignal {
    return AbortSignal.any([this.reign.signal, this.#stop.signal]);
  }

  async #handOver(): Promise<ReadonlySet<string>> {
    const { pool, view, count, handOverMs, logger } = this.#options;
    await this.#until(() => this.busy.size === 0, handOverMs);
    const late = this.busy;
    if (late.size > 0) logger.warn({ late: [...late] }, "the pool shrinks all the same");
    await pool.resize({ from: view.count, to: count }, this.#signal);
    logger.info({ from: view.count, to: count, late: [...late] }, "the pool has a new size");
    return late;
  }

  /** Until all are gone, who comes back gets no work. */
  async #untilOver(): Promise<void> {
    const { leaving, logger } = this.#options;
    const isGone = (): boolean =>
      leaving.leavers.every(({ nodeId }) => !this.reign.state.nodes.has(nodeId));
    try {
      await this.ended;
      if (this.#state !== "over") this.#state = "asked";
      await this.#until(isGone, goneDurationMsMax);
    } catch (thrown) {
      const { code, reason, message } = fromUnknown(thrown, "scaling the pool");
      logger.warn({ code, reason }, message);
    }
    if (this.#state === "over" || this.reign.signal.aborted) return;
    this.#state = "over";
    this.reign.tell({ kind: "pool-settled" });
  }

  /** Resolves when it holds of the nodes, or too late. */
  async #until(holds: () => boolean, durationMsMax: number): Promise<void> {
    const deadline = this.#options.deadline(durationMsMax);
    const signal = AbortSignal.any([this.#signal, deadline]);
    try {
      for (;;) {
        const change = this.reign.changed("nodes", signal);
        change.catch(() => undefined);
        if (holds()) return;
        await change;
      }
    } catch (thrown) {
      this.#signal.throwIfAborted();
      if (!deadline.aborted) throw thrown;
    }
  }
}
