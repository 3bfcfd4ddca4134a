import { ShapeError } from "@retake/errors";
import type * as tf from "@tensorflow/tfjs-core";

let currentPath = "";

/** Path of the module whose function is running: a recording backend names its nodes by it. */
export function currentScopePath(): string {
  return currentPath;
}

let differentiated = false;
let backwardPass = false;

/** Whether gradients will be asked of what is computed now: then it may pay to keep more of it. */
export function isDifferentiated(): boolean {
  return differentiated;
}

/** Whether gradients are being computed: what a recording backend records now may be run last. */
export function inBackwardPass(): boolean {
  return backwardPass;
}

/**
 * Calls a function that computes a loss and then its gradients. It says when the loss is there by
 * calling what it is given.
 */
export function withBackwardPass<Result>(call: (lossIsThere: () => void) => Result): Result {
  differentiated = true;
  try {
    return call(() => {
      backwardPass = true;
    });
  } finally {
    differentiated = false;
    backwardPass = false;
  }
}

let currentSegment = "";

/** The recompute mark whose inside is being recorded; empty outside of any. */
export function currentRecomputeMark(): string {
  return currentSegment;
}

/**
 * A *recompute mark*: what `call` computes inside may be dropped after the forward pass, and
 * computed again from what went in when the backward pass needs it. Marks do not nest: the
 * outermost counts.
 *
 * @source Chen et al. 2016, arXiv:1604.06174
 */
export function recomputeMark<Result>(path: string, call: () => Result): Result {
  if (currentSegment !== "") return call();
  currentSegment = path;
  try {
    return call();
  } finally {
    currentSegment = "";
  }
}

/** Where a module finds its weights: below a path of the checkpoint's key space. */
export interface Scope {
  readonly path: string;
  /** The tensor whose key is this path and `name`; undefined where the checkpoint has none. */
  readonly find: (name: string) => tf.Tensor | undefined;
  /** Receives the output of a module, in the authors' axes, where somebody asked for it. */
  readonly capture: ((path: string, output: () => tf.Tensor) => void) | undefined;
}

/** Makes the outermost scope. */
export function rootScope(
  find: (name: string) => tf.Tensor | undefined,
  capture?: (path: string, output: () => tf.Tensor) => void,
): Scope {
  return { path: "", find, capture };
}

/** @throws ShapeError  if the checkpoint has no such tensor */
export function weightOf(scope: Scope, name: string): tf.Tensor {
  const tensor = scope.find(name);
  if (tensor === undefined) throw new ShapeError(`${scope.path}: there is no weight ${name}`);
  return tensor;
}

/** The scope of a module below this one. */
export function childScope(scope: Scope, name: string): Scope {
  return {
    path: scope.path === "" ? name : `${scope.path}.${name}`,
    find: (key) => scope.find(`${name}.${key}`),
    capture: scope.capture,
  };
}

/** Runs a module's function with the scope below `name`, so that what it records is named by it. */
export function within<Result>(scope: Scope, name: string, call: (child: Scope) => Result): Result {
  const child = childScope(scope, name);
  const outer = currentPath;
  currentPath = child.path;
  try {
    return call(child);
  } finally {
    currentPath = outer;
  }
}

/** Hands a module's output to whoever asked for it; `inAuthorsAxes` is called only then. */
export function captureOutput(scope: Scope, inAuthorsAxes: () => tf.Tensor): void {
  scope.capture?.(scope.path, inAuthorsAxes);
}
