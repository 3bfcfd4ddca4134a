import type { PhaseWork } from "./phase.js";
import type { PhaseName } from "./recipe.js";
import {
  type PhaseState,
  type StateFolder,
  type Validation,
  writeState,
} from "./training-state.js";
import type { SavedVectors } from "./training-vectors.js";
import type { WorkerPool } from "./worker-pool.js";

/** How a training is watched and ended. */
export interface TrainControl {
  /** After this the training stops at the next step, and its state is written. */
  readonly signal: AbortSignal;
  readonly onStep: (phase: PhaseName, state: StepReport) => void;
  readonly onValidation: (phase: PhaseName, validation: Validation) => void;
  readonly stepsBetweenStates: number;
  readonly stepsBetweenValidations: number;
}

export interface StepReport {
  /** Steps done. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  /** Floating-point operations of its products. */
  readonly flops: number;
  readonly milliseconds: number;
}

/**
 * Goes on with a phase until its end, or until it is stopped.
 *
 * @returns  how far it has come; this is what was written last
 */
export async function trainPhase(
  pool: WorkerPool,
  of: {
    readonly at: StateFolder;
    readonly phase: PhaseName;
    readonly validation: PhaseWork["validation"];
    readonly from: Omit<PhaseState, "vectors">;
  },
  control: TrainControl,
): Promise<PhaseState> {
  const { at, phase, from } = of;
  const { steps } = at.recipe.phases[phase];
  const losses = [...from.losses];
  const validations = [...from.validations];
  const validate = async (step: number): Promise<void> => {
    const errors: Record<string, number> = {};
    for (const name of Object.keys(of.validation)) errors[name] = await pool.validate(name);
    validations.push({ step, errors });
    control.onValidation(phase, { step, errors });
  };
  const state = (step: number): PhaseState => ({
    ...{ step, losses, validations },
    vectors: savedVectors(pool),
  });
  let { step } = from;
  while (step < steps && !control.signal.aborted) {
    const begun = performance.now();
    const { loss, flops } = await pool.step(step);
    step += 1;
    losses.push(loss);
    const milliseconds = performance.now() - begun;
    control.onStep(phase, { step, steps, loss, flops, milliseconds });
    const isLast = step === steps;
    if (isLast || step % control.stepsBetweenValidations === 0) await validate(step);
    if (!isLast && step % control.stepsBetweenStates === 0)
      await writeState(at, phase, state(step));
  }
  const reached = state(step);
  if (step > from.step) await writeState(at, phase, reached);
  return reached;
}

/** Copies of the vectors as they stand. */
function savedVectors({ vectors }: WorkerPool): SavedVectors {
  const { weights, average, firstMoment, secondMoment } = vectors;
  return {
    weights: weights.slice(),
    average: average.slice(),
    firstMoment: firstMoment.slice(),
    secondMoment: secondMoment.slice(),
  };
}
