/** The gradient exchange among the members of a quorum. */
export { drawsOfRank, partialsOf } from "./draw-blocks.js";
export {
  createExchange,
  type Exchange,
  type ExchangeOptions,
  type ExchangeQuorum,
  type ReduceRequest,
} from "./exchange.js";
export { type ExchangeLimits, exchangeLimits } from "./limits.js";
export type { ExchangeCounts, ShardConnection } from "./shard-connection.js";
export { createStepPlan, type StepPlan } from "./step-plan.js";
export type { ReduceOutcome } from "./step-run.js";
