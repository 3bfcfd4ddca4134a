export {
  type AdamWSettings,
  applyAdamW,
  initialTuningState,
  paperAdamW,
  type TuningState,
} from "./adamw.js";
export { type DrawSum, meanOfDraws, mergedDrawSums } from "./draw-tree.js";
export {
  clipFactor,
  gradientNorm,
  shardCount,
  shardRanges,
  sumOfSquares,
  type VectorRange,
  vectorNorm,
} from "./gradient-norm.js";
export { type TemporalStart, temporalInitialisation } from "./temporal-initialisation.js";
export { isTrainable, type TuningMode, trainableTensors } from "./trainable.js";
export {
  packedVector,
  tensorsOfVector,
  type VectorEntry,
  type VectorLayout,
  vectorLayout,
} from "./vector-layout.js";
