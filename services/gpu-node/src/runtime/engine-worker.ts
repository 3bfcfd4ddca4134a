import { parentPort, workerData } from "node:worker_threads";
import { type Code, fromUnknown, type Reason } from "@retake/errors";
import type { ProgramSpec } from "@retake/model";
import type { EngineName, HostTensors, WeightLocations } from "./engine.js";
import { isOnnxEngine, OnnxRunner } from "./onnx-runner.js";
import type { EngineOptions, Runner, RunnerProgram } from "./runner.js";

/** What the engine's worker is asked; `id` comes back with the answer. */
export type WorkerRequest =
  | { readonly id: number; readonly call: "open" }
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
  | { readonly id: number; readonly call: "unload"; readonly program: number }
  | { readonly id: number; readonly call: "close" };

export type WorkerAnswer =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly error: { readonly code: Code; readonly reason: Reason; readonly message: string };
    };

export interface WorkerSettings {
  readonly name: EngineName;
  readonly options: EngineOptions;
}

const settings = workerData as WorkerSettings;
const programs = new Map<number, RunnerProgram>();
let runner: Runner | undefined;

async function createRunner({ name, options }: WorkerSettings): Promise<Runner> {
  if (isOnnxEngine(name)) return new OnnxRunner(name, options);
  const { createTfjsRunner } = await import("./tfjs-runner.js");
  return createTfjsRunner(options);
}

function programOf(id: number): RunnerProgram {
  const program = programs.get(id);
  if (program === undefined) throw new Error(`engine: there is no program ${id}`);
  return program;
}

async function answer(request: WorkerRequest): Promise<unknown> {
  runner ??= await createRunner(settings);
  switch (request.call) {
    case "open":
      return runner.numericsId;
    case "load":
      programs.set(request.id, await runner.load(request.spec, request.weights));
      return request.id;
    case "run":
      return programOf(request.program).run(request.inputs);
    case "unload":
      await programOf(request.program).close();
      programs.delete(request.program);
      return undefined;
    case "close":
      for (const program of programs.values()) await program.close();
      programs.clear();
      await runner.close();
      return undefined;
  }
}

function buffersOf(result: unknown): ArrayBuffer[] {
  if (typeof result !== "object" || result === null) return [];
  const buffers = Object.values(result as HostTensors).map(({ data }) => data.buffer);
  return [...new Set(buffers)].filter((buffer) => buffer instanceof ArrayBuffer);
}

parentPort?.on("message", (request: WorkerRequest) => {
  void answer(request).then(
    (result) => {
      const transfer = request.call === "run" ? buffersOf(result) : [];
      parentPort?.postMessage({ id: request.id, result } satisfies WorkerAnswer, transfer);
    },
    (thrown: unknown) => {
      const { code, reason, message } = fromUnknown(thrown, `engine ${settings.name}`);
      parentPort?.postMessage({ id: request.id, error: { code, reason, message } });
    },
  );
});
