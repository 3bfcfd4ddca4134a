import type { Worker } from "node:worker_threads";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { ProgramSpec } from "@retake/model";
import type { DrawSum, TuningState } from "@retake/model/tuning";
import { buffersOf } from "./buffers-of.js";
import type {
  Engine,
  EngineName,
  ExchangeRound,
  Exchanger,
  HostTensors,
  LoadedProgram,
  RunOptions,
  Tuner,
  WeightLocations,
} from "./engine.js";
import type { WorkerAnswer, WorkerRequest } from "./engine-worker.js";
import { findDevice } from "./find-device.js";
import { hasOneThreadPasses } from "./onnx-session.js";
import { parallelProgram } from "./parallel-program.js";
import type { EngineOptions, RunnerSettings } from "./runner.js";
import { takeWorker } from "./spare-worker.js";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: RetakeError) => void;
  readonly exchange: Exchanger | undefined;
}

type Unnumbered<Request> = Request extends { readonly id: number } ? Omit<Request, "id"> : never;

function stopped(): RetakeError {
  return new RetakeError(Code.Canceled, "stopped", "engine: stopped");
}

function unanswered(cause: Error): RetakeError {
  const message = `engine: expected an answer, but ${cause.message}`;
  return new RetakeError(Code.Internal, "engine-failed", message, { cause });
}

/** Rejects as soon as the signal is aborted. */
function untilAborted(work: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(stopped());
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Calls the engine's worker and matches its answers to the calls. */
class WorkerCalls {
  /** The engine's numerics id, once the worker has made its inside. */
  readonly opened: Promise<unknown>;
  readonly #worker: Worker = takeWorker();
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #end: Error | undefined;

  constructor(settings: RunnerSettings) {
    this.#worker.on("message", (answer: WorkerAnswer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#failAll(error));
    this.#worker.on("exit", (code) => this.#failAll(new Error(`its worker ended with ${code}`)));
    this.opened = this.call({ call: "open", settings });
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if ("round" in answer) return void this.#exchange(answer, waiting?.exchange);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ("error" in answer) {
      const { code, reason, message } = answer.error;
      waiting?.reject(new RetakeError(code, reason, message));
    } else {
      waiting?.resolve(answer.result);
    }
  }

  async #exchange(
    { id, round }: { readonly id: number; readonly round: ExchangeRound },
    exchange: Exchanger | undefined,
  ): Promise<void> {
    const nobody = new RetakeError(
      Code.InvalidArgument,
      "bad-option",
      "run: nobody to exchange with",
    );
    const received = await (exchange?.(round) ?? Promise.reject(nobody)).catch(
      (thrown: unknown) => {
        const { code, reason, message } = fromUnknown(thrown, "exchange");
        return { code, reason, message };
      },
    );
    const answer: WorkerRequest = { id, call: "exchanged", received };
    this.#worker.postMessage(answer, buffersOf(received));
  }

  /** From here on nobody answers: not who waits, and not who calls later. */
  #failAll(cause: Error): void {
    this.#end ??= cause;
    for (const { reject } of this.#waiting.values()) reject(unanswered(this.#end));
    this.#waiting.clear();
  }

  /**
   * Asks the worker. With a signal, the promise is rejected as soon as it is aborted; what the
   * worker has begun ends in its own time, and what was aborted before is never begun. Buffers
   * that are `given` go to the worker, and are of no use here any more.
   */
  async call(
    request: Unnumbered<WorkerRequest>,
    { signal, exchange }: RunOptions = {},
    given: readonly ArrayBuffer[] = [],
  ): Promise<unknown> {
    if (signal?.aborted === true) throw stopped();
    if (this.#end !== undefined) throw unanswered(this.#end);
    const id = this.#next;
    this.#next += 1;
    this.#worker.ref();
    const work = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, exchange });
      this.#worker.postMessage({ ...request, id }, given);
    });
    return signal === undefined ? work : untilAborted(work, signal);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

function loadedProgram(calls: WorkerCalls, program: number): LoadedProgram {
  return {
    passesAtOnce: 1,
    run: async (inputs, options) =>
      (await calls.call({ call: "run", program, inputs }, options)) as HostTensors,
    fix: async (inputs) => {
      await calls.call({ call: "fix", program, inputs }, {}, buffersOf(inputs));
    },
    createTuner: async (start) => {
      const open = { call: "tuner-open", program, start } as const;
      return openedTuner(calls, Number(await calls.call(open, {}, buffersOf(start.state))));
    },
    close: async () => {
      await calls.call({ call: "unload", program });
    },
  };
}

function openedTuner(calls: WorkerCalls, tuner: number): Tuner {
  return {
    addDraw: async (draw, options) =>
      Number(await calls.call({ call: "tuner-draw", tuner, ...draw }, options)),
    applyStep: async (step) => Number(await calls.call({ call: "tuner-step", tuner, step })),
    takeSums: async () => (await calls.call({ call: "tuner-sums", tuner })) as readonly DrawSum[],
    applyGradient: async (update) => {
      await calls.call({ call: "tuner-gradient", tuner, update });
    },
    weightsHash: async () => String(await calls.call({ call: "tuner-hash", tuner })),
    abandonStep: async () => {
      await calls.call({ call: "tuner-abandon", tuner });
    },
    state: async () => (await calls.call({ call: "tuner-state", tuner })) as TuningState,
    finish: async () => (await calls.call({ call: "tuner-finish", tuner })) as TuningState,
    close: async () => {
      await calls.call({ call: "tuner-close", tuner });
    },
  };
}

/**
 * Opens an engine in a worker of its own. Small networks get a second one, so that two of their
 * forward passes take a thread each, instead of one after the other two threads: guidance has two
 * branches. The tuning's program takes as long to load as all others, and is loaded beside them.
 *
 * @throws RetakeError  `engine-unavailable` where this machine cannot run it, saying why
 */
export async function createEngine(name: EngineName, options: EngineOptions): Promise<Engine> {
  const device = await findDevice(name);
  const settings = { name, options, ...(device === undefined ? {} : { device }) };
  const calls = new WorkerCalls(settings);
  const workers = [calls];
  const numericsId = await calls.opened.catch(async (error: unknown) => {
    await calls.end();
    throw error;
  });
  const loadOn = async (worker: WorkerCalls, spec: ProgramSpec, weights: WeightLocations) => {
    await worker.opened;
    return loadedProgram(worker, Number(await worker.call({ call: "load", spec, weights })));
  };
  return {
    name,
    numericsId: String(numericsId),
    load: async (spec: ProgramSpec, weights: WeightLocations) => {
      const isWhole = !("shard" in spec) || spec.shard === undefined;
      const isSmall = isWhole && hasOneThreadPasses(name, weightBytesOf(weights));
      if (!isSmall || options.threads === 1) return loadOn(calls, spec, weights);
      if (spec.kind === "unet-gradients") return loadOn(calls, spec, weights);
      const [, second = new WorkerCalls(settings)] = workers;
      workers[1] = second;
      const program = await loadOn(second, spec, weights);
      if (spec.kind !== "unet") return program;
      return parallelProgram(program, [() => loadOn(calls, spec, weights)]);
    },
    close: async () => {
      await Promise.all(
        workers.map(async (worker) => {
          await worker.call({ call: "close" });
          await worker.end();
        }),
      );
    },
  };
}

function weightBytesOf(weights: WeightLocations): number {
  return [...weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
}
