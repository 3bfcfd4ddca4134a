export { fromUnknown } from "./from-unknown.js";
export { Code, type Reason, RetakeError, reasons, ShapeError } from "./retake-error.js";
