import { type Graph, recomputeActivations, tileConvolutions, traceProgram } from "@retake/compile";
import { createProgram, type Program, type ProgramSpec } from "@retake/model";
import type { EngineName } from "./engine.js";
import { isOnnxEngine, tilesConvolutions } from "./onnx-session.js";

/** Bytes of all weights that a program reads. */
export function weightBytesOf(program: Program): number {
  const counts = program.weights.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  return Float32Array.BYTES_PER_ELEMENT * counts.reduce((a, b) => a + b, 0);
}

/** Whether an engine computes a program's convolutions in tiles, where that is faster. */
export function isTiled(program: Program, name: EngineName): boolean {
  return isOnnxEngine(name) && tilesConvolutions(name, weightBytesOf(program));
}

/**
 * The graph that an engine compiles of a whole program: recorded, and changed as the program's
 * setting for memory and the engine's kernels want it.
 */
export function compiledGraph(spec: ProgramSpec, name: EngineName = "onnx-cpu"): Graph {
  const program = createProgram(spec);
  const recorded = traceProgram(program);
  const isLow = spec.kind === "unet-gradients" && spec.memory === "low";
  const kept = isLow ? recomputeActivations(recorded) : recorded;
  return isTiled(program, name) ? tileConvolutions(kept) : kept;
}
