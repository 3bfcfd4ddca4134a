/** What ranks that share the frames of one clip divide and exchange. */
export {
  frameHaloKernel,
  framesToSitesKernel,
  gatherFramesKernel,
  sitesToFramesKernel,
} from "../operators/collectives.js";
export type { FrameShard } from "./frame-shard.js";
export { consecutiveRanges, equalParts } from "./frame-shard.js";
