export { type FollowPodsOptions, followPods } from "../pods/follow-pods.js";
export { createKubernetesPool, type PoolTarget } from "./kubernetes-pool.js";
export type { Pool, PoolCounts } from "./pool.js";
export { PoolScaler, type ScaleRequest, type Scaling } from "./pool-scaler.js";
export type { ScaledReign } from "./shrinking.js";
export { createStaticPool } from "./static-pool.js";
