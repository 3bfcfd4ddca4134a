export { type Cost, cost } from "./cost/cost.js";
export { type FrameCoupling, frameCoupling } from "./cost/frame-coupling.js";
export type { Graph, GraphNode, GraphValue } from "./graph.js";
export { lowerToOnnx } from "./lower/lower-to-onnx.js";
export type { LoweringOptions, WeightRange } from "./lower/lowering.js";
export { recomputeActivations } from "./passes/recompute.js";
export { traceProgram } from "./record/trace.js";
export type { Exchange, NamedRuns, Segment, SegmentedProgram } from "./segments/cut-segments.js";
export { cutSegments, exchangedBytes } from "./segments/cut-segments.js";
