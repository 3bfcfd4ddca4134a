import { Code, RetakeError } from "@retake/errors";
import type { Logger } from "pino";
import { type Leaving, type PoolView, whoLeaves } from "../job/leavers.js";
import type { Pool } from "./pool.js";
import { type ScaledReign, Shrinking } from "./shrinking.js";

export interface ScaleRequest {
  readonly count: number;
  /** How long those that leave may take: then the pool gets its size all the same. */
  readonly handOverMs: number;
}

/** A change of a pool's size that has begun. */
export interface Scaling {
  readonly view: PoolView;
  readonly count: number;
  readonly leaving: Leaving;
  /** Those that have not handed over yet. */
  readonly busy: ReadonlySet<string>;
  /** Settles when the pool has been asked for its size, with those that had not handed over. */
  readonly ended: Promise<ReadonlySet<string>>;
}

const nobody: ReadonlySet<string> = new Set();

/** Makes a pool larger at once, and smaller by a `Shrinking`; one change at a time. */
export class PoolScaler {
  readonly #pool: Pool;
  readonly #logger: Logger;
  readonly #deadline: (durationMs: number) => AbortSignal;
  #shrinking: Shrinking | undefined;
  /** Requests begin one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** @param deadline  a signal that is aborted after so long */
  constructor(
    pool: Pool,
    {
      logger,
      deadline = (durationMs) => AbortSignal.timeout(durationMs),
    }: { readonly logger: Logger; readonly deadline?: (durationMs: number) => AbortSignal },
  ) {
    this.#pool = pool;
    this.#logger = logger;
    this.#deadline = deadline;
  }

  /**
   * Begins to make the pool larger or smaller. The same request again is the same change; one for
   * another count takes the place of what is under way.
   *
   * @throws RetakeError  what the pool throws; of `ended` also `scale-replaced`
   */
  scale(reign: ScaledReign, request: ScaleRequest): Promise<Scaling> {
    const begun = this.#last.then(() => this.#begin(reign, request));
    this.#last = begun.catch(() => undefined);
    return begun;
  }

  async #begin(reign: ScaledReign, { count, handOverMs }: ScaleRequest): Promise<Scaling> {
    const before = this.#shrinking;
    const isSame = before?.reign === reign && before.count === count;
    if (isSame && before.state === "hands-over") return before;
    const pool = this.#pool;
    const view = await pool.view(reign.state.nodes, reign.signal);
    if (isSame && before.state === "asked" && view.count === count) return before;
    before?.replace(replacedBy(count));
    if (count < view.count) {
      const leaving = whoLeaves(reign.state, view, count);
      const { leavers, reason } = leaving;
      this.#logger.info({ ...view, to: count, leavers, reason }, "the pool shrinks");
      this.#shrinking = new Shrinking({
        ...{ reign, pool, view, count, leaving, handOverMs },
        ...{ deadline: this.#deadline, logger: this.#logger },
      });
      return this.#shrinking;
    }
    reign.tell({ kind: "pool-settled" });
    const isLarger = count > view.count;
    if (isLarger) await pool.resize({ from: view.count, to: count }, reign.signal);
    const reason = isLarger ? "new nodes join by themselves" : "it has that size";
    this.#logger.info({ ...view, to: count, reason }, "the pool has a new size");
    const leaving = { leavers: [], reason };
    return { view, count, leaving, busy: nobody, ended: Promise.resolve(nobody) };
  }
}

function replacedBy(count: number): RetakeError {
  const message = `scaling: expected to end first, got another count, ${count}, which goes on`;
  return new RetakeError(Code.FailedPrecondition, "scale-replaced", message);
}
