import { elementCount } from "../graph.js";
import { inputOf, type Lower, outputOf } from "./lowering.js";

type Matrix = readonly (readonly number[])[];

/** What turns a kernel, an input and a product into each other's form, along one axis. */
const kernelTransform: Matrix = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
];
const inputTransform: Matrix = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1],
];
const outputTransform: Matrix = [
  [1, 1, 1, 0],
  [0, 1, -1, -1],
];

/** Both axes at once: `matrix x matrix'` as one matrix over the rows of `x`, row by row. */
function alongBoth(matrix: Matrix): number[] {
  return matrix.flatMap((down) =>
    matrix.flatMap((across) => down.flatMap((a) => across.map((b) => a * b))),
  );
}

/**
 * A product with the kernels as its other side, as they are stored: nothing is transposed. Turned
 * by half, a kernel's cells come in the opposite order.
 */
const tileWeights: Lower = (node, to) => {
  const [, values = 16, ...channels] = to.shape(outputOf(node));
  const isTurned = node.attributes.isTurned === true;
  const along = isTurned ? kernelTransform.map((row) => row.toReversed()) : kernelTransform;
  const transform = to.floats(alongBoth(along), [values, 9]);
  const rows = to.ints([elementCount(channels), 9]);
  const kernels = to.emit("Reshape", [to.name(inputOf(node, 0)), rows]);
  const tiled = to.emit("Gemm", [transform, kernels], { transA: 0, transB: 1 });
  const shape = to.ints([1, values, ...channels]);
  to.emit("Reshape", [tiled, shape], {}, to.name(outputOf(node)));
};

/**
 * A convolution over each channel alone, with stride 2: as the depth of a volume, channels stay
 * behind the 16 values of a tile, which is how the products want them.
 */
const tileInput: Lower = (node, to) => {
  const [images = 1, inner = 1, height = 1, width = 1] = to.shape(inputOf(node, 0));
  const volume = to.ints([images, 1, inner, height, width]);
  const x = to.emit("Reshape", [to.name(inputOf(node, 0)), volume]);
  const attributes = { kernel_shape: [1, 4, 4], strides: [1, 2, 2], pads: [0, 1, 1, 0, 1, 1] };
  const transform = to.floats(alongBoth(inputTransform), [16, 1, 1, 4, 4]);
  const tiled = to.emit("Conv", [x, transform], attributes);
  const shape = to.ints(to.shape(outputOf(node)));
  to.emit("Reshape", [tiled, shape], {}, to.name(outputOf(node)));
};

/** The four results of each tile, and then each to its place on the map. */
const tileOutput: Lower = (node, to) => {
  const [images = 1, out = 1, height = 1, width = 1] = to.shape(outputOf(node));
  const [, values = 16, , tiles = 1] = to.shape(inputOf(node, 0));
  const flat = to.ints([images, values, out * tiles]);
  const product = to.emit("Reshape", [to.name(inputOf(node, 0)), flat]);
  const transform = to.floats(alongBoth(outputTransform), [4, values, 1]);
  const results = to.emit("Conv", [product, transform], { kernel_shape: [1] });
  const maps = to.emit("Reshape", [results, to.ints([images, 4 * out, height / 2, width / 2])]);
  const [, added] = node.inputs;
  const output = to.name(outputOf(node));
  const name = added === undefined ? output : undefined;
  const joined = to.emit("DepthToSpace", [maps], { blocksize: 2, mode: "DCR" }, name);
  if (added === undefined) return;
  const bias = to.emit("Reshape", [to.name(added), to.ints([out, 1, 1])]);
  to.emit("Add", [joined, bias], {}, output);
};

export const tiledConvolutions: Readonly<Record<string, Lower>> = {
  TileWeights: tileWeights,
  TileInput: tileInput,
  TileOutput: tileOutput,
};
