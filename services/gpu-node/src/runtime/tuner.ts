import { createHash } from "node:crypto";
import {
  applyAdamW,
  clipFactor,
  type DrawSum,
  meanOfDraws,
  mergedDrawSums,
  type TuningState,
  tensorsOfVector,
  type VectorLayout,
  vectorNorm,
} from "@retake/model/tuning";
import { collectGarbage } from "@retake/wire/memory";
import type { HostTensor, HostTensors, TunerGradient, TunerStart, TunerStep } from "./engine.js";
import type { RunnerProgram } from "./runner.js";

/**
 * The program's own copies of the gradients are as large as the vector, and V8 sees little of them:
 * beyond so many values they are collected after each draw, which takes tens of milliseconds.
 */
const uncollectedValuesMax = 2 ** 22;

/** The worker's side of a `Tuner`: owns weights, moments and the gradients of the open step. */
export class WorkerTuner {
  readonly #program: RunnerProgram;
  readonly #layout: VectorLayout;
  readonly #state: TuningState;
  readonly #tensors: HostTensors;
  /** Gradient vectors that are free to be written to again. */
  readonly #free: Float32Array[] = [];
  #sums: readonly DrawSum[] = [];
  /** Of the draws of the open step. */
  #lossSum = 0;
  /** Which step is open: a draw that ends after its step does not count for the next. */
  #open = 0;

  constructor(program: RunnerProgram, { layout, state }: TunerStart) {
    this.#program = program;
    this.#layout = layout;
    this.#state = state;
    this.#tensors = viewsOf(layout, state.weights);
  }

  async addDraw(drawIndex: number, inputs: HostTensors): Promise<number> {
    const open = this.#open;
    const sum = this.#free.pop() ?? new Float32Array(this.#layout.length);
    const views = tensorsOfVector(this.#layout, sum);
    const into = Object.fromEntries([...views].map(([name, view]) => [`grad/${name}`, view]));
    const outputs = await this.#program.run({ ...inputs, ...this.#tensors }, into);
    for (const [name, view] of Object.entries(into)) {
      const gradient = outputs[name]?.data;
      if (gradient !== undefined) view.set(gradient);
    }
    if (this.#layout.length > uncollectedValuesMax) collectGarbage();
    const loss = outputs.loss?.data[0] ?? Number.NaN;
    if (open === this.#open) {
      this.#lossSum += loss;
      const before = this.#sums;
      this.#sums = mergedDrawSums([...before, { firstDraw: drawIndex, drawCount: 1, sum }]);
      this.#collect([...before.map((other) => other.sum), sum]);
    } else {
      this.#collect([sum]);
    }
    return loss;
  }

  applyStep({ drawCount, ...update }: TunerStep): number {
    try {
      const gradient = meanOfDraws(this.#sums, drawCount);
      const norm = Number.isFinite(this.#lossSum) ? vectorNorm(gradient) : Number.NaN;
      if (Number.isFinite(norm)) this.applyGradient({ ...update, gradient, norm });
      return norm;
    } finally {
      this.abandonStep();
    }
  }

  takeSums(): readonly DrawSum[] {
    const sums = this.#sums;
    this.#beginStep();
    return sums;
  }

  applyGradient({ gradient, norm, step, settings, gradientNormMax }: TunerGradient): void {
    const factor = clipFactor(norm, { normMax: gradientNormMax });
    applyAdamW(this.#state, { gradient, clipFactor: factor, step }, settings);
  }

  abandonStep(): void {
    const vectors = this.#sums.map(({ sum }) => sum);
    this.#beginStep();
    this.#collect(vectors);
  }

  #beginStep(): void {
    this.#open += 1;
    this.#sums = [];
    this.#lossSum = 0;
  }

  /** The state itself, to be handed over: the tuner is of no use afterwards. */
  finish(): TuningState {
    this.abandonStep();
    this.#free.length = 0;
    return this.#state;
  }

  weightsHash(): string {
    const { buffer, byteOffset, byteLength } = this.#state.weights;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return createHash("sha256").update(bytes).digest("hex");
  }

  state(): TuningState {
    const { weights, firstMoment, secondMoment } = this.#state;
    return {
      weights: weights.slice(),
      firstMoment: firstMoment.slice(),
      secondMoment: secondMoment.slice(),
    };
  }

  /** Takes back those of the vectors that no sum holds any more. */
  #collect(vectors: readonly Float32Array[]): void {
    const held = new Set(this.#sums.map(({ sum }) => sum));
    this.#free.push(...vectors.filter((vector) => !held.has(vector)));
  }
}

function viewsOf(layout: VectorLayout, vector: Float32Array): HostTensors {
  const views = tensorsOfVector(layout, vector);
  const tensors: Record<string, HostTensor> = {};
  for (const { name, shape } of layout.entries) {
    const data = views.get(name);
    if (data !== undefined) tensors[name] = { shape, data };
  }
  return tensors;
}
