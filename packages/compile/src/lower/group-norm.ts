import { elementCount } from "../graph.js";
import { inputOf, type Lower, outputOf } from "./lowering.js";

/** Two passes over a frame, so that a large mean costs no digits of the variance. */
const frameMoments: Lower = (node, to) => {
  const [mean, m2] = node.outputs;
  if (mean === undefined || m2 === undefined) throw new Error("FrameMoments: two outputs");
  const [clips = 1, frames = 1, groups = 1] = to.shape(mean);
  const perGroup = elementCount(to.shape(inputOf(node, 0))) / (clips * frames * groups);
  const shape = to.ints([clips, frames, groups, perGroup]);
  const grouped = to.emit("Reshape", [to.name(inputOf(node, 0)), shape]);
  const axes = to.ints([3]);
  const kept = to.emit("ReduceMean", [grouped, axes], { keepdims: 1 });
  const centered = to.emit("Sub", [grouped, kept]);
  to.emit("ReduceSumSquare", [centered, axes], { keepdims: 0 }, to.name(m2));
  to.emit("Reshape", [kept, to.ints([clips, frames, groups])], {}, to.name(mean));
};

/**
 * Moments of the frames to mean and 1/std of the clip, and from these to one scale and shift per
 * channel. All of it is a few numbers per channel.
 */
const clipMoments: Lower = (node, to) => {
  const [scale, shift, mean, inverseStd] = node.outputs;
  if (
    scale === undefined ||
    shift === undefined ||
    mean === undefined ||
    inverseStd === undefined
  ) {
    throw new Error("ClipMoments: four outputs");
  }
  const [frameMean, frameM2, gain, bias] = [0, 1, 2, 3].map((at) => to.name(inputOf(node, at)));
  const [clips = 1, frames = 1, groups = 1] = to.shape(inputOf(node, 0));
  const count = Number(node.attributes.count);
  const axes = to.ints([1]);
  let m2 = to.emit("ReduceSum", [frameM2 ?? "", axes], { keepdims: 0 });
  to.emit("ReduceMean", [frameMean ?? "", axes], { keepdims: 0 }, to.name(mean));
  if (frames > 1) {
    const column = to.emit("Reshape", [to.name(mean), to.ints([clips, 1, groups])]);
    const offset = to.emit("Sub", [frameMean ?? "", column]);
    const spread = to.emit("ReduceSumSquare", [offset, axes], { keepdims: 0 });
    m2 = to.emit("Add", [m2, to.emit("Mul", [spread, to.scalar(count)])]);
  }
  const variance = to.emit("Mul", [m2, to.scalar(1 / (count * frames))]);
  const eps = to.scalar(Number(node.attributes.eps));
  const std = to.emit("Sqrt", [to.emit("Add", [variance, eps])]);
  to.emit("Reciprocal", [std], {}, to.name(inverseStd));
  const column = to.ints([clips, groups, 1]);
  const perGroup = (id: number): string => to.emit("Reshape", [to.name(id), column]);
  const scaled = to.emit("Mul", [perGroup(inverseStd), gain ?? ""]);
  const shifted = to.emit("Sub", [bias ?? "", to.emit("Mul", [perGroup(mean), scaled])]);
  const perChannel = to.ints(to.shape(scale));
  to.emit("Reshape", [scaled, perChannel], {}, to.name(scale));
  to.emit("Reshape", [shifted, perChannel], {}, to.name(shift));
};

const scaleShift: Lower = (node, to) => {
  const [x, scale, shift] = [0, 1, 2].map((at) => to.name(inputOf(node, at)));
  const scaled = to.emit("Mul", [x ?? "", scale ?? ""]);
  to.emit("Add", [scaled, shift ?? ""], {}, to.name(outputOf(node)));
};

export const groupNorms: Readonly<Record<string, Lower>> = {
  FrameMoments: frameMoments,
  ClipMoments: clipMoments,
  ScaleShift: scaleShift,
};
