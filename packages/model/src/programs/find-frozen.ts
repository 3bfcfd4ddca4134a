import type { Bindings, WeightSpec } from "../program.js";
import { rootScope, type Scope } from "../scope.js";

/** A scope that finds exactly the given weights, all of them frozen. */
export function findFrozen(weights: readonly WeightSpec[], bindings: Bindings): Scope {
  const names = new Set(weights.map(({ name }) => name));
  return rootScope((name) => (names.has(name) ? bindings.weight(name) : undefined));
}
