export { unknownEdit } from "./admission.js";
export {
  type ClusterState,
  type DecideOptions,
  defaultOptions,
  type EditView,
  type NodeInfo,
  type NodeRates,
  type NodeView,
  standby,
} from "./cluster-state.js";
export type { CommitRecord, Quorum, StateSource, StepReduced } from "./commit-record.js";
export { decide } from "./decide.js";
export { begunDelivery, credited, type Delivery, deliver } from "./delivery.js";
export {
  type EditRecord,
  type EditSettings,
  type EditSpec,
  type EditState,
  type Failure,
  isTerminal,
  type LatentsAt,
  type LayoutName,
  type Phase,
  type ResultFile,
  type Task,
} from "./edit-record.js";
export type { Effect, EffectOf } from "./effects.js";
export type { CommitLog, CoordinatorEvent, EventOf, TaskOrigin } from "./events.js";
export { type Piece, plannedPiece } from "./phase-work.js";
export { whyWaits } from "./placement.js";
export type { Plan } from "./planning.js";
export type { Decision } from "./turn.js";
