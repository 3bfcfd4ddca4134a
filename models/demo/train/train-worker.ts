import { parentPort, workerData } from "node:worker_threads";
import { encodePictures } from "./encode-pictures.js";
import type { Share } from "./phase.js";
import { phaseWork } from "./phase-work.js";
import type { PhaseName, Recipe } from "./recipe.js";
import { type OpenProgram, openProgram } from "./run-program.js";
import type { LatentSet, PictureSet, TrainingData } from "./training-data.js";
import type { TrainingVectors } from "./training-vectors.js";
import { reduceGradients, shardsOf, updateVectors, type VectorUpdate } from "./vector-update.js";

/** What a worker is made from. */
export interface WorkerGiven {
  readonly recipe: Recipe;
  readonly phase: PhaseName;
  readonly data: TrainingData;
  readonly vectors: TrainingVectors;
  readonly share: Share;
}

/** What a worker is asked; the answer comes when it is done. */
export type WorkerRequest =
  /** Answers with a `PartDone`; the gradient lies in this worker's vector then. */
  | { readonly call: "gradient"; readonly step: number }
  /** Answers with the sums of squares of the shards that are this worker's. */
  | { readonly call: "reduce" }
  | { readonly call: "update"; readonly update: VectorUpdate }
  /** Answers with a mean error, of the weights' running average. */
  | { readonly call: "validate"; readonly name: string }
  /** Encodes this worker's part of a set by the running average, into shared memory. */
  | { readonly call: "encode"; readonly set: PictureSet; readonly latents: LatentSet };

/** Loss of a worker's part of a batch, and the work that it was. */
export interface PartDone {
  readonly loss: number;
  readonly flops: number;
}

export type WorkerAnswer = { readonly result: unknown } | { readonly error: string };

const { recipe, phase, data, vectors, share } = workerData as WorkerGiven;
const work = phaseWork(phase, { recipe, data, share });
const shards = shardsOf(work.layout.length, share);
const open = new Map<string, Promise<OpenProgram>>();
/** ONNX Runtime takes no shared memory: what a program reads is copied here first. */
const weights = new Float32Array(work.layout.length);

function programNamed(name: string): Promise<OpenProgram> {
  const known = open.get(name);
  if (known !== undefined) return known;
  const make = work.programs[name];
  if (make === undefined) throw new Error(`${phase}: there is no program ${name}`);
  const program = openProgram(make());
  open.set(name, program);
  return program;
}

async function answer(request: WorkerRequest): Promise<unknown> {
  switch (request.call) {
    case "gradient": {
      const { program, inputs } = work.step(request.step);
      const opened = await programNamed(program);
      weights.set(vectors.weights);
      const { loss, gradient } = await opened.run({ ...inputs, weights });
      if (gradient === undefined) throw new Error(`${program}: expected a gradient`);
      vectors.gradients[share.index]?.set(gradient);
      return { loss: loss?.[0] ?? Number.NaN, flops: opened.flops } satisfies PartDone;
    }
    case "reduce":
      return reduceGradients(vectors, shards);
    case "update":
      return updateVectors(vectors, shards, request.update);
    case "validate": {
      const call = work.validation[request.name]?.();
      if (call === undefined) throw new Error(`${phase}: there is no ${request.name}`);
      const opened = await programNamed(call.program);
      weights.set(vectors.average);
      const { error } = await opened.run({ ...call.inputs, weights });
      return error?.[0];
    }
    case "encode":
      weights.set(vectors.average);
      return encodePictures({ recipe, share, weights, ...request });
  }
}

parentPort?.on("message", (request: WorkerRequest) => {
  Promise.resolve()
    .then(() => answer(request))
    .then(
      (result) => parentPort?.postMessage({ result }),
      (thrown: unknown) => {
        const error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
        parentPort?.postMessage({ error });
      },
    );
});
