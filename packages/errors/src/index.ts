export {
  armFaultPoints,
  type FaultPoint,
  faultPoint,
  type HeldPoint,
  type PointAnswer,
} from "./fault-points.js";
export { fromUnknown } from "./from-unknown.js";
export { Code, type Reason, RetakeError, reasons, ShapeError } from "./retake-error.js";
