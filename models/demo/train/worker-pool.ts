import { Worker } from "node:worker_threads";
import { type AdamWSettings, clipFactor, gradientNorm } from "@retake/model/tuning";
import { averageKeep, learningRate } from "./learning-rate.js";
import type { Share } from "./phase.js";
import { optimiser, type PhaseName, type PhaseSettings, type Recipe } from "./recipe.js";
import type { PartDone, WorkerAnswer, WorkerGiven, WorkerRequest } from "./train-worker.js";
import type { LatentSet, PictureSet, TrainingData } from "./training-data.js";
import { type SavedVectors, sharedVectors, type TrainingVectors } from "./training-vectors.js";

/** Part of the bits: each takes half of every batch, and the halves' gradients are added. */
export const workerCount = 2;

/** A step that was done. */
export interface StepDone {
  readonly loss: number;
  /** Floating-point operations of its products. */
  readonly flops: number;
}

class TrainWorker {
  readonly #worker: Worker;
  #settle: { resolve: (result: unknown) => void; reject: (error: Error) => void } | undefined;

  constructor(entry: URL, given: WorkerGiven) {
    this.#worker = new Worker(entry, { workerData: given });
    this.#worker.on("message", (answer: WorkerAnswer) => {
      const settle = this.#settle;
      this.#settle = undefined;
      if ("error" in answer) settle?.reject(new Error(answer.error));
      else settle?.resolve(answer.result);
    });
    this.#worker.on("error", (error) => this.#settle?.reject(error));
    this.#worker.on("exit", (code) => {
      this.#settle?.reject(new Error(`worker: expected an answer, but it ended with ${code}`));
    });
  }

  /** One request at a time. */
  ask(request: WorkerRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#worker.postMessage(request);
    });
  }

  async end(): Promise<void> {
    this.#settle = undefined;
    await this.#worker.terminate();
  }
}

/** Trains one phase on two threads, which share its vectors. */
export class WorkerPool {
  readonly vectors: TrainingVectors;
  readonly #workers: readonly TrainWorker[];
  readonly #settings: PhaseSettings;

  /** @param from.entry  the worker's program, built */
  constructor(from: {
    readonly entry: URL;
    readonly recipe: Recipe;
    readonly phase: PhaseName;
    readonly data: TrainingData;
    readonly start: SavedVectors;
  }) {
    const { entry, recipe, phase, data, start } = from;
    this.vectors = sharedVectors(start, workerCount);
    this.#settings = recipe.phases[phase];
    this.#workers = Array.from({ length: workerCount }, (_, index) => {
      const share: Share = { index, count: workerCount };
      return new TrainWorker(entry, { recipe, phase, data, vectors: this.vectors, share });
    });
  }

  #askAll(request: WorkerRequest): Promise<unknown[]> {
    return Promise.all(this.#workers.map((worker) => worker.ask(request)));
  }

  /**
   * Does a step: loss and gradient of a batch, and an update by them.
   *
   * @throws Error  if loss or gradient are not finite: the recipe is at fault
   */
  async step(step: number): Promise<StepDone> {
    const parts = (await this.#askAll({ call: "gradient", step })) as PartDone[];
    const loss = parts.reduce((sum, part) => sum + part.loss, 0);
    const flops = parts.reduce((sum, part) => sum + part.flops, 0);
    const sums = (await this.#askAll({ call: "reduce" })) as number[][];
    const norm = gradientNorm(sums.flat());
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      throw new Error(`step ${step}: expected a finite loss, got ${loss}, and norm, got ${norm}`);
    }
    const { beta1, beta2, epsilon, weightDecay, gradientNormMax } = optimiser;
    const rate = learningRate(step, this.#settings);
    const settings: AdamWSettings = { learningRate: rate, beta1, beta2, epsilon, weightDecay };
    const clip = clipFactor(norm, { normMax: gradientNormMax });
    const keep = averageKeep(step, this.#settings);
    const update = { step, clipFactor: clip, settings, averageKeep: keep };
    await this.#askAll({ call: "update", update });
    return { loss, flops };
  }

  /** The mean error of the running average on pictures that are not trained on. */
  async validate(name: string): Promise<number> {
    const errors = (await this.#askAll({ call: "validate", name })).map(Number);
    return errors.reduce((sum, error) => sum + error, 0) / errors.length;
  }

  /** Encodes a set by the running average of a VAE's weights. */
  async encode(set: PictureSet, latents: LatentSet): Promise<void> {
    await this.#askAll({ call: "encode", set, latents });
  }

  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }
}
