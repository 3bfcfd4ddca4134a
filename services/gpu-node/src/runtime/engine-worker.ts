import { parentPort } from "node:worker_threads";
import { type Code, type Reason, RetakeError } from "@retake/errors";
import type { ProgramSpec } from "@retake/model";
import { buffersOf } from "./buffers-of.js";
import { createRunner } from "./create-runner.js";
import type {
  ExchangeRound,
  Exchanger,
  HostTensors,
  TunerGradient,
  TunerStart,
  TunerStep,
  WeightLocations,
} from "./engine.js";
import { engineFailure } from "./engine-failure.js";
import type { Runner, RunnerProgram, RunnerSettings } from "./runner.js";
import { WorkerTuner } from "./tuner.js";

/** What the engine's worker is asked; `id` comes back with the answer. */
export type WorkerRequest =
  /** The first of all calls. */
  | { readonly id: number; readonly call: "open"; readonly settings: RunnerSettings }
  | {
      readonly id: number;
      readonly call: "load";
      readonly spec: ProgramSpec;
      readonly weights: WeightLocations;
    }
  | {
      readonly id: number;
      readonly call: "run";
      readonly program: number;
      readonly inputs: HostTensors;
    }
  /** Answers the exchange that run `id` asked for: not queued, since the run waits for it. */
  | {
      readonly id: number;
      readonly call: "exchanged";
      readonly received: readonly Float32Array[] | WorkerError;
    }
  | {
      readonly id: number;
      readonly call: "fix";
      readonly program: number;
      readonly inputs: HostTensors;
    }
  | { readonly id: number; readonly call: "unload"; readonly program: number }
  | {
      readonly id: number;
      readonly call: "tuner-open";
      readonly program: number;
      readonly start: TunerStart;
    }
  | {
      readonly id: number;
      readonly call: "tuner-draw";
      readonly tuner: number;
      readonly drawIndex: number;
      readonly inputs: HostTensors;
    }
  | {
      readonly id: number;
      readonly call: "tuner-step";
      readonly tuner: number;
      readonly step: TunerStep;
    }
  | {
      readonly id: number;
      readonly call: "tuner-gradient";
      readonly tuner: number;
      readonly update: TunerGradient;
    }
  | {
      readonly id: number;
      readonly call:
        | "tuner-sums"
        | "tuner-hash"
        | "tuner-abandon"
        | "tuner-state"
        | "tuner-finish"
        | "tuner-close";
      readonly tuner: number;
    }
  | { readonly id: number; readonly call: "close" };

export interface WorkerError {
  readonly code: Code;
  readonly reason: Reason;
  readonly message: string;
}

export type WorkerAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly round: ExchangeRound }
  | { readonly id: number; readonly error: WorkerError };

/** A program with the inputs that stay with it. */
interface OpenProgram {
  readonly program: RunnerProgram;
  fixed: HostTensors;
}

const programs = new Map<number, OpenProgram>();
const tuners = new Map<number, WorkerTuner>();
let engineName = "none";
let openRunner: Runner | undefined;

function found<Thing>(things: ReadonlyMap<number, Thing>, id: number): Thing {
  const thing = things.get(id);
  if (thing === undefined) throw new Error(`engine: there is no program or tuner ${id}`);
  return thing;
}

/** A program as its caller sees it: what is fixed need not be given. */
function runnerProgram(id: number): RunnerProgram {
  const open = found(programs, id);
  return {
    run: (inputs, into, exchange) => {
      return open.program.run({ ...open.fixed, ...inputs }, into, exchange);
    },
    close: () => open.program.close(),
  };
}

/** Runs that wait for what other ranks give. */
const exchanging = new Map<number, (received: readonly Float32Array[] | WorkerError) => void>();

/** Exchanges by way of whoever asked for the run. */
function exchanger(id: number): Exchanger {
  return async (round) => {
    const received = await new Promise<readonly Float32Array[] | WorkerError>((resolve) => {
      exchanging.set(id, resolve);
      parentPort?.postMessage({ id, round } satisfies WorkerAnswer, buffersOf(round));
    });
    exchanging.delete(id);
    if (!("code" in received)) return received;
    throw new RetakeError(received.code, received.reason, received.message);
  };
}

async function opened(settings: RunnerSettings): Promise<string> {
  engineName = settings.name;
  openRunner = await createRunner(settings, process.env);
  return openRunner.numericsId;
}

async function answer(request: WorkerRequest): Promise<unknown> {
  if (request.call === "open") return opened(request.settings);
  const runner = openRunner;
  if (runner === undefined) throw new Error("engine: it is not open");
  switch (request.call) {
    case "load":
      programs.set(request.id, {
        program: await runner.load(request.spec, request.weights),
        fixed: {},
      });
      return request.id;
    case "run":
      return runnerProgram(request.program).run(request.inputs, {}, exchanger(request.id));
    case "fix":
      found(programs, request.program).fixed = request.inputs;
      return undefined;
    case "exchanged":
      throw new Error("engine: an exchange is answered at once");
    case "unload":
      await runnerProgram(request.program).close();
      programs.delete(request.program);
      return undefined;
    case "tuner-open":
      tuners.set(request.id, new WorkerTuner(runnerProgram(request.program), request.start));
      return request.id;
    case "tuner-draw":
      return found(tuners, request.tuner).addDraw(request.drawIndex, request.inputs);
    case "tuner-step":
      return found(tuners, request.tuner).applyStep(request.step);
    case "tuner-sums":
      return found(tuners, request.tuner).takeSums();
    case "tuner-hash":
      return found(tuners, request.tuner).weightsHash();
    case "tuner-gradient":
      return found(tuners, request.tuner).applyGradient(request.update);
    case "tuner-abandon":
      return found(tuners, request.tuner).abandonStep();
    case "tuner-finish": {
      const tuner = found(tuners, request.tuner);
      tuners.delete(request.tuner);
      return tuner.finish();
    }
    case "tuner-state":
      return found(tuners, request.tuner).state();
    case "tuner-close":
      tuners.delete(request.tuner);
      return undefined;
    case "close":
      for (const { program } of programs.values()) await program.close();
      programs.clear();
      await runner.close();
      return undefined;
  }
}

async function answerTo(request: WorkerRequest): Promise<void> {
  try {
    const result = await answer(request);
    const answered: WorkerAnswer = { id: request.id, result };
    parentPort?.postMessage(answered, buffersOf(result));
  } catch (thrown) {
    const { code, reason, message } = engineFailure(thrown, `engine ${engineName}`);
    parentPort?.postMessage({ id: request.id, error: { code, reason, message } });
  }
}

// One after the other: nothing is closed, and no step is ended, while a pass of it is under way.
let answered = Promise.resolve();
parentPort?.on("message", (request: WorkerRequest) => {
  if (request.call === "exchanged") return exchanging.get(request.id)?.(request.received);
  answered = answered.then(() => answerTo(request));
});
