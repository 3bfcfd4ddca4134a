import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { SHARE_ENV, Worker } from "node:worker_threads";
import { Code, RetakeError } from "@retake/errors";
import type { ProgramSpec } from "@retake/model";
import type { TuningState } from "@retake/model/tuning";
import type {
  Engine,
  EngineName,
  HostTensors,
  LoadedProgram,
  Tuner,
  WeightLocations,
} from "./engine.js";
import type { WorkerAnswer, WorkerRequest } from "./engine-worker.js";
import { findDevice } from "./find-device.js";
import type { EngineOptions, RunnerSettings } from "./runner.js";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: RetakeError) => void;
}

type Unnumbered<Request> = Request extends { readonly id: number } ? Omit<Request, "id"> : never;

/** The worker's entry is always the built one, also when tests run the sources. */
const workerUrl = pathToFileURL(
  createRequire(import.meta.url).resolve("@retake/gpu-node/engine-worker"),
);

/** Calls the engine's worker and matches its answers to the calls. */
class WorkerCalls {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(settings: RunnerSettings) {
    // TensorFlow knows its threads from the process's environment: the worker sets it.
    this.#worker = new Worker(workerUrl, { workerData: settings, env: SHARE_ENV });
    this.#worker.on("message", (answer: WorkerAnswer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#failAll(error));
    this.#worker.on("exit", (code) => this.#failAll(new Error(`its worker ended with ${code}`)));
    this.#worker.unref();
  }

  #settle(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ("error" in answer) {
      const { code, reason, message } = answer.error;
      waiting?.reject(new RetakeError(code, reason, message));
    } else {
      waiting?.resolve(answer.result);
    }
  }

  #failAll(cause: Error): void {
    for (const { reject } of this.#waiting.values()) {
      const message = `engine: expected an answer, but ${cause.message}`;
      reject(new RetakeError(Code.Internal, "engine-failed", message, { cause }));
    }
    this.#waiting.clear();
  }

  call(request: Unnumbered<WorkerRequest>): Promise<unknown> {
    const id = this.#next;
    this.#next += 1;
    this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ ...request, id });
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Rejects as soon as the signal is aborted; the work itself ends in its own time. */
function withSignal<Result>(
  work: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new RetakeError(Code.Canceled, "stopped", "engine: stopped"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function loadedProgram(calls: WorkerCalls, program: number): LoadedProgram {
  return {
    run: (inputs, { signal } = {}) => {
      const work = calls.call({ call: "run", program, inputs });
      return withSignal(work as Promise<HostTensors>, signal);
    },
    fix: async (inputs) => {
      await calls.call({ call: "fix", program, inputs });
    },
    createTuner: async (start) =>
      openedTuner(calls, Number(await calls.call({ call: "tuner-open", program, start }))),
    close: async () => {
      await calls.call({ call: "unload", program });
    },
  };
}

function openedTuner(calls: WorkerCalls, tuner: number): Tuner {
  return {
    addDraw: async (draw, { signal } = {}) =>
      Number(await withSignal(calls.call({ call: "tuner-draw", tuner, ...draw }), signal)),
    applyStep: async (step) => Number(await calls.call({ call: "tuner-step", tuner, step })),
    abandonStep: async () => {
      await calls.call({ call: "tuner-abandon", tuner });
    },
    state: async () => (await calls.call({ call: "tuner-state", tuner })) as TuningState,
    close: async () => {
      await calls.call({ call: "tuner-close", tuner });
    },
  };
}

/**
 * Opens an engine in a worker of its own.
 *
 * @throws RetakeError  `engine-unavailable` where this machine cannot run it, saying why
 */
export async function createEngine(name: EngineName, options: EngineOptions): Promise<Engine> {
  const device = await findDevice(name);
  const settings = { name, options, ...(device === undefined ? {} : { device }) };
  const calls = new WorkerCalls(settings);
  const numericsId = await calls.call({ call: "open" }).catch(async (error: unknown) => {
    await calls.end();
    throw error;
  });
  return {
    name,
    numericsId: String(numericsId),
    load: async (spec: ProgramSpec, weights: WeightLocations) =>
      loadedProgram(calls, Number(await calls.call({ call: "load", spec, weights }))),
    close: async () => {
      await calls.call({ call: "close" });
      await calls.end();
    },
  };
}
