/** How a network is tuned, but for how long. */
export interface Tuning {
  readonly mode: "paper" | "reference";
  readonly rate: number;
  readonly draws: number;
  readonly temporalStart: "no-op" | "authors";
}

/** A way to edit a clip. */
export interface Method {
  readonly name: string;
  readonly tuning: Tuning;
  /** Updates; 0 does not tune. */
  readonly steps: number;
  readonly start: "inverted" | "random";
  readonly strength: number;
  readonly guidance: number;
  readonly ddim: number;
}

/** What a checkpoint's card says of tuning and sampling. */
export interface CardSettings {
  readonly steps: number;
  readonly rate: number;
  readonly ddim: number;
  readonly guidance: number;
  readonly strength: number;
}

/** The method that the others are compared with: the card's settings, the paper's for the rest. */
function baseMethod({ steps, rate, ddim, guidance, strength }: CardSettings): Method {
  const tuning = { mode: "paper", rate, draws: 1, temporalStart: "no-op" } as const;
  return { name: "tuned", tuning, steps, start: "inverted", strength, guidance, ddim };
}

const stepCounts = [30, 60, 120, 300];
const rates = [2e-4, 1e-3, 4e-3];
const drawsOfMany = 4;
const strengths = [0.52, 0.88, 1];
const guidances = [1, 2, 4, 6];

/**
 * Every method that is compared: the base, and one setting changed at a time. K = 4 draws a step
 * takes a quarter of the steps, so that the work is the same.
 */
export function methodsFor(card: CardSettings): readonly Method[] {
  const base = baseMethod(card);
  const { tuning } = base;
  const withTuning = (change: Partial<Tuning>): Tuning => ({ ...tuning, ...change });
  return [
    { ...base, name: "untuned", steps: 0 },
    base,
    { ...base, name: "reference", tuning: withTuning({ mode: "reference" }) },
    ...stepCounts
      .filter((steps) => steps !== base.steps)
      .map((steps) => ({ ...base, name: `steps-${steps}`, steps })),
    ...rates.map((rate) => ({ ...base, name: `rate-${rate}`, tuning: withTuning({ rate }) })),
    {
      ...{ ...base, name: `draws-${drawsOfMany}`, tuning: withTuning({ draws: drawsOfMany }) },
      steps: Math.round(base.steps / drawsOfMany),
    },
    { ...base, name: "temporal-authors", tuning: withTuning({ temporalStart: "authors" }) },
    // Noise is what the highest level holds, and no other.
    { ...base, name: "random-start", start: "random", strength: 1 },
    { ...base, name: "untuned-random-start", steps: 0, start: "random", strength: 1 },
    ...strengths.map((strength) => ({ ...base, name: `strength-${strength}`, strength })),
    ...strengths.map((strength) => ({
      ...{ ...base, name: `untuned-strength-${strength}` },
      ...{ steps: 0, strength },
    })),
    ...guidances.map((guidance) => ({ ...base, name: `guidance-${guidance}`, guidance })),
  ];
}

/** Whether the seed decides anything: without it, one seed says all. */
export const needsSeeds = ({ steps, start, tuning }: Method): boolean =>
  steps > 0 || start === "random" || tuning.temporalStart === "authors";
