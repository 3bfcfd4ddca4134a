import { leastSign } from "@retake/gpu-node/stop";
import type { Result } from "./results.js";
import type { Signs } from "./signs.js";
import { mean } from "./statistics.js";

/** Rules by which a tuning could be ended without knowing what its edits should give. */
export const stopRules: Readonly<Record<string, (signs: Signs) => number>> = {
  reconstruction: ({ reconstruction }) => reconstruction,
  change: ({ change }) => change,
  both: ({ reconstruction, change }) => Math.log(reconstruction) + change,
};

/** Methods that are one tuning at several steps; `untuned` is step 0, `tuned` the card's. */
export const isStepCount = (method: string): boolean =>
  method === "untuned" || method === "tuned" || /^steps-\d+$/.test(method);

/**
 * What would have come out if each tuning had been ended where a rule finds it best: for every clip
 * and seed the results of the number of steps with the least sign, as a method of its own. Tunings
 * that were not judged at every number of steps have less to choose from, and are left out.
 */
export function endedBy(
  rule: (signs: Signs) => number,
  { results, name }: { readonly results: readonly Result[]; readonly name: string },
): readonly Result[] {
  const tunings = new Map<string, Result[]>();
  const stepped = results.filter(({ method, signs }) => isStepCount(method) && signs !== undefined);
  const seeds = [...new Set(stepped.map(({ seed }) => seed))];
  for (const result of stepped) {
    // Without tuning the seed decides nothing: one result stands for all.
    for (const seed of result.method === "untuned" ? seeds : [result.seed]) {
      const key = `${result.clip} ${seed}`;
      tunings.set(key, [...(tunings.get(key) ?? []), { ...result, seed }]);
    }
  }
  const methodCount = new Set(stepped.map(({ method }) => method)).size;
  const isWhole = (tuning: readonly Result[]): boolean =>
    tuning.length === methodCount * new Set(tuning.map(({ kind }) => kind)).size;
  return [...tunings.values()].filter(isWhole).flatMap((tuning) => {
    const signOf = (method: string): number =>
      mean(tuning.flatMap((one) => (one.method === method && one.signs ? [rule(one.signs)] : [])));
    const steps = new Map(tuning.map((one) => [one.method, one.steps]));
    const [first, ...others] = [...steps].map(([method, step]) => ({
      ...{ method, step, sign: signOf(method) },
    }));
    if (first === undefined || others.length === 0) return [];
    const { method: best } = leastSign([first, ...others]);
    return tuning.filter(({ method }) => method === best).map((one) => ({ ...one, method: name }));
  });
}
