import { ShapeError } from "@retake/errors";
import type * as tf from "@tensorflow/tfjs-core";
import { axesOf } from "../axes.js";
import { type FrameShard, framesOfShard } from "../frames/frame-shard.js";
import { runOperator } from "./operator.js";

/**
 * What ranks that share the frames of a clip exchange. Each is recorded as one operation: the other
 * ranks' tensors have no plain meaning here, so engines that cannot exchange refuse them.
 */
export const gatherFramesKernel = "RetakeGatherFrames";
export const frameHaloKernel = "RetakeFrameHalo";
export const framesToSitesKernel = "RetakeFramesToSites";
export const sitesToFramesKernel = "RetakeSitesToFrames";

const frameAxes = ["frames", "tokens", "channels"] as const;

/** A shard as a kernel's attributes. */
export function shardAttributes(shard: FrameShard): { rank: number; frameCounts: number[] } {
  return { rank: shard.rank, frameCounts: [...shard.frameCounts] };
}

/** @throws ShapeError  always */
export function noPlainMeaning(subject: string): never {
  throw new ShapeError(`${subject}: expected an engine that exchanges frames, got one that cannot`);
}

function collective(
  kernelName: string,
  inputs: Readonly<Record<string, tf.Tensor>>,
  shard: FrameShard,
): readonly tf.Tensor[] {
  const plain = (): tf.Tensor[] => noPlainMeaning(kernelName);
  const result = runOperator(kernelName, inputs, shardAttributes(shard), plain);
  return Array.isArray(result) ? result : [result];
}

function oneOf(results: readonly tf.Tensor[]): tf.Tensor {
  const [result] = results;
  if (result === undefined) throw new ShapeError("collective: expected an output");
  return result;
}

function assertFrames(label: string, x: tf.Tensor, shard: FrameShard): void {
  const { frames } = axesOf(label, x, frameAxes);
  const own = framesOfShard(shard);
  if (frames === own.end - own.begin) return;
  throw new ShapeError(`${label}: expected frames ${own.begin} to ${own.end}, got ${frames}`);
}

/**
 * The frames of all ranks, in order.
 *
 * @param x  `[frames, tokens, channels]`: this rank's frames
 * @returns  `[frames, tokens, channels]`: the clip's frames
 */
export function gatheredFrames(x: tf.Tensor, shard: FrameShard): tf.Tensor {
  assertFrames("x", x, shard);
  return oneOf(collective(gatherFramesKernel, { x }, shard));
}

/** What a rank needs of frames that others hold. */
export interface FrameHalo {
  /** `[1, tokens, channels]`: the clip's first frame. */
  readonly first: tf.Tensor;
  /** `[1, tokens, channels]`: the frame before this rank's first one; for rank 0 of no meaning. */
  readonly before: tf.Tensor;
}

/**
 * The clip's first frame and the frame before this rank's, of keys and of values.
 *
 * @param key, value  `[frames, tokens, channels]` each: this rank's frames
 */
export function frameHalos(
  { key, value }: { readonly key: tf.Tensor; readonly value: tf.Tensor },
  shard: FrameShard,
): { readonly key: FrameHalo; readonly value: FrameHalo } {
  assertFrames("key", key, shard);
  assertFrames("value", value, shard);
  const [firstKey, beforeKey, firstValue, beforeValue] = collective(
    frameHaloKernel,
    { key, value },
    shard,
  );
  if (!firstKey || !beforeKey || !firstValue || !beforeValue) {
    throw new ShapeError("frameHalos: expected four outputs");
  }
  return {
    key: { first: firstKey, before: beforeKey },
    value: { first: firstValue, before: beforeValue },
  };
}

/**
 * From some frames with all their sites to some sites of all frames.
 *
 * @param x  `[frames, tokens, channels]`: this rank's frames; at least one token for each rank
 * @returns  `[frames, tokens, channels]`: the clip's frames, this rank's tokens
 */
export function framesToSites(x: tf.Tensor, shard: FrameShard): tf.Tensor {
  assertFrames("x", x, shard);
  return oneOf(collective(framesToSitesKernel, { x }, shard));
}

/**
 * The inverse of `framesToSites`.
 *
 * @param tokens  of a whole frame
 */
export function sitesToFrames(
  x: tf.Tensor,
  shard: FrameShard,
  { tokens }: { readonly tokens: number },
): tf.Tensor {
  axesOf("x", x, frameAxes);
  const attributes = { ...shardAttributes(shard), tokens };
  const plain = (): tf.Tensor[] => noPlainMeaning(sitesToFramesKernel);
  const result = runOperator(sitesToFramesKernel, { x }, attributes, plain);
  return oneOf(Array.isArray(result) ? result : [result]);
}
