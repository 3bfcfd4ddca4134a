import { Code, RetakeError } from "@retake/errors";
import type {
  BranchOpen,
  FramesOpen,
  PredictBranchRequest,
  PredictBranchResponse,
  RunFramesRequest,
  RunFramesResponse,
} from "@retake/wire/peer";

/** The call of a node that samples, as the task that serves it sees it. */
export interface BranchCall {
  readonly open: BranchOpen;
  readonly requests: AsyncIterable<PredictBranchRequest>;
  readonly send: (response: PredictBranchResponse) => Promise<void>;
}

/** The call of a node that inverts or samples, as the task that serves it sees it. */
export interface FramesCall {
  readonly open: FramesOpen;
  readonly requests: AsyncIterable<RunFramesRequest>;
  readonly send: (response: RunFramesResponse) => Promise<void>;
}

interface Meeting<Call> {
  readonly taskId: string;
  readonly call: Call;
  readonly onServed: () => void;
  readonly onFailed: (thrown: unknown) => void;
}

/** A task that serves another node. */
export interface Served<Call> {
  readonly taskId: string;
  /** Throws what a caller is told that must not have its call served. */
  readonly check: (call: Call) => void;
}

/** Calls that may wait for their task. */
const waitingMax = 64;

/**
 * Brings together two calls that come in any order: the coordinator's, which begins a task that
 * serves another node, and that of the node which it serves.
 */
export class CallDesk<Call> {
  readonly #offers = new Map<string, (meeting: Meeting<Call>) => void>();
  readonly #waiting = new Set<Meeting<Call>>();

  /**
   * Waits for the call that a task is for, and serves it.
   *
   * @throws RetakeError  the signal's reason; what `serve` throws, which the caller is told, too
   */
  async serve(
    served: Served<Call>,
    signal: AbortSignal,
    serve: (call: Call) => Promise<void>,
  ): Promise<void> {
    const { call, onServed, onFailed } = await this.#meeting(served, signal);
    try {
      await serve(call);
      onServed();
    } catch (thrown) {
      onFailed(thrown);
      throw thrown;
    }
  }

  /**
   * Waits for the task that a call is for, and until it has served the call.
   *
   * @throws RetakeError  `queue-full`; why it was not served
   */
  async call(taskId: string, signal: AbortSignal, call: Call): Promise<void> {
    let forget = (): void => {};
    const served = new Promise<void>((resolve, reject) => {
      const meeting = { taskId, call, onServed: resolve, onFailed: reject };
      const offer = this.#offers.get(taskId);
      if (offer !== undefined) offer(meeting);
      else if (this.#waiting.size < waitingMax) this.#waiting.add(meeting);
      else {
        const message = `calls: expected at most ${waitingMax} that wait for a task; try again`;
        reject(new RetakeError(Code.ResourceExhausted, "queue-full", message));
      }
      const onAbort = (): void => {
        this.#waiting.delete(meeting);
        reject(signal.reason as RetakeError);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      forget = () => signal.removeEventListener("abort", onAbort);
    });
    await served.finally(() => forget());
  }

  async #meeting({ taskId, check }: Served<Call>, signal: AbortSignal): Promise<Meeting<Call>> {
    let forget = (): void => {};
    const met = new Promise<Meeting<Call>>((resolve, reject) => {
      const offer = (meeting: Meeting<Call>): void => {
        try {
          check(meeting.call);
          resolve(meeting);
        } catch (thrown) {
          meeting.onFailed(thrown);
        }
      };
      this.#offers.set(taskId, offer);
      for (const meeting of [...this.#waiting].filter((one) => one.taskId === taskId)) {
        this.#waiting.delete(meeting);
        offer(meeting);
      }
      const onAbort = (): void => reject(signal.reason as RetakeError);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      forget = () => signal.removeEventListener("abort", onAbort);
    });
    return met.finally(() => {
      this.#offers.delete(taskId);
      forget();
    });
  }
}
