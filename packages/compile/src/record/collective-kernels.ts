import {
  equalParts,
  frameHaloKernel,
  framesToSitesKernel,
  gatherFramesKernel,
  sitesToFramesKernel,
} from "@retake/model/frames";
import { elementCount, type GraphValue } from "../graph.js";
import type { GraphBuilder } from "./graph-builder.js";
import { type KernelCall, recordKernel } from "./kernels.js";

/** What every collective says of the clip: who this rank is, and who has how many frames. */
interface ShardTerms {
  readonly rank: number;
  readonly frameCounts: readonly number[];
}

const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

function termsOf({ number, numbers }: KernelCall): ShardTerms {
  return { rank: number("rank"), frameCounts: numbers("frameCounts") };
}

/** The terms of an operator that can be recorded with or without a shard. */
export function optionalTerms(call: KernelCall): ShardTerms | undefined {
  return call.attributes.frameCounts === undefined ? undefined : termsOf(call);
}

/** Values of this rank's frames, `frames` of them on the given axis, to those of all ranks. */
export function gatherFrames(
  builder: GraphBuilder,
  values: readonly GraphValue[],
  { axis, ...terms }: ShardTerms & { readonly axis: number },
): GraphValue[] {
  const outputs = values.map(({ shape }) => {
    if (elementCount(shape.slice(0, axis)) !== 1) throw new Error("GatherFrames: several clips");
    return { shape: shape.map((size, at) => (at === axis ? total(terms.frameCounts) : size)) };
  });
  return builder.nodes("GatherFrames", values, outputs, { ...terms });
}

/** Teaches the recording backend what ranks exchange: nodes at which a graph can be cut. */
export function registerCollectiveKernels(): void {
  recordKernel(gatherFramesKernel, (call) =>
    gatherFrames(call.backend.builder, [call.input("x")], { ...termsOf(call), axis: 0 }),
  );
  recordKernel(frameHaloKernel, (call) => {
    const [key, value] = [call.input("key"), call.input("value")];
    const frame = (x: GraphValue) => ({ shape: [1, ...x.shape.slice(1)] });
    const outputs = [frame(key), frame(key), frame(value), frame(value)];
    return call.backend.builder.nodes("FrameHalo", [key, value], outputs, { ...termsOf(call) });
  });
  recordKernel(framesToSitesKernel, (call) => {
    const x = call.input("x");
    const terms = termsOf(call);
    const [, tokens = 1, channels = 1] = x.shape;
    const own = equalParts(tokens, { parts: terms.frameCounts.length })[terms.rank] ?? 0;
    const shape = [total(terms.frameCounts), own, channels];
    return call.backend.builder.node("FramesToSites", [x], { shape }, { ...terms });
  });
  recordKernel(sitesToFramesKernel, (call) => {
    const x = call.input("x");
    const terms = termsOf(call);
    const shape = [terms.frameCounts[terms.rank] ?? 0, call.number("tokens"), x.shape[2] ?? 1];
    return call.backend.builder.node("SitesToFrames", [x], { shape }, { ...terms });
  });
}
