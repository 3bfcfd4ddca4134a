export type { EpochLock, LeaderRecords, Leadership } from "../store/epoch-lock.js";
export {
  createKubeClient,
  type KubeCall,
  type KubeClient,
  type KubeClientOptions,
  type KubeEvent,
} from "./client.js";
export { findKubernetes, type KubeAccess } from "./https-transport.js";
export { type InformerOptions, runInformer } from "./informer.js";
export { createKubeLeaseRecords, type KubeLeaseOptions } from "./kube-lease.js";
export { createKubeLock, type KubeLockOptions } from "./kube-lock.js";
export {
  type LabelFollowing,
  LeaderLabel,
  type LeaderLabelOptions,
  leadsLabel,
} from "./leader-label.js";
export type { KubeList, KubeObject } from "./objects.js";
export { type Kubernetes, type KubernetesOptions, openKubernetes } from "./open-kubernetes.js";
export { type KubeNamespace, openNamespace } from "./open-namespace.js";
export { createSliceDiscovery, type SliceDiscoveryOptions } from "./slice-discovery.js";
export type { KubeRequest, KubeResponse, KubeTransport } from "./transport.js";
