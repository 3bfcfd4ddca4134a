import { describe, expect, it } from "vitest";
import { cost } from "../cost/cost.js";
import { elementCount, type Graph } from "../graph.js";
import { evaluateGraph } from "../testing/evaluate-graph.js";
import { nodesAsText, SmallGraph } from "../testing/small-graph.js";
import { tileConvolutions } from "./tile-convolutions.js";

interface Sizes {
  readonly images: number;
  readonly inner: number;
  readonly out: number;
  readonly height: number;
  readonly width: number;
}

/** One that is worth tiling, with as few numbers as possible. */
const small: Sizes = { images: 2, inner: 160, out: 128, height: 8, width: 10 };

const same = { stride: 1, pads: [1, 1, 1, 1] };

function convolution(
  { images, inner, out, height, width }: Sizes,
  attributes: { readonly stride: number; readonly pads: readonly number[] } = same,
  kernel = 3,
): Graph {
  const graph = new SmallGraph();
  const x = graph.input("x", [images, inner, height, width]);
  const weight = graph.weight("w", [out, inner, kernel, kernel]);
  const bias = graph.weight("b", [out]);
  const [top = 0, left = 0, bottom = 0, right = 0] = attributes.pads;
  const cells = (size: number): number => Math.floor((size - kernel) / attributes.stride) + 1;
  const shape = [images, out, cells(height + top + bottom), cells(width + left + right)];
  const y = graph.node("Convolution", [x, weight, bias], { shape, attributes });
  return graph.graph({ y, z: graph.node("Neg", [y], { shape }) });
}

/** The gradient of such a convolution with regard to its input. */
function inputGradient({ images, inner, out, height, width }: Sizes, attributes = same): Graph {
  const graph = new SmallGraph();
  const { stride } = attributes;
  const dy = graph.input("dy", [images, out, height / stride, width / stride]);
  const weight = graph.weight("w", [out, inner, 3, 3]);
  const shape = [images, inner, height, width];
  const dx = graph.node("ConvolutionInputGradient", [dy, weight], { shape, attributes });
  return graph.graph({ dx });
}

const operations = (graph: Graph): string[] => graph.nodes.map(({ operation }) => operation);
const isTiled = (graph: Graph): boolean => operations(tileConvolutions(graph))[0] === "TileWeights";

/** Waves of different lengths: no two channels alike. */
const wave = (count: number, length: number): Float32Array =>
  Float32Array.from({ length: count }, (_, at) => Math.sin(1 + at / length) / 8);

describe("tileConvolutions", () => {
  it("gives the same numbers, but for rounding", () => {
    const graph = convolution({ ...small, images: 1 });
    expect(isTiled(graph)).toBe(true);
    const { inner, out } = small;
    const given = {
      x: wave(elementCount([inner, small.height, small.width]), 0.37),
      ...{ w: wave(elementCount([out, inner, 3, 3]), 0.61), b: wave(out, 2.3) },
    };
    const [direct, tiled] = [graph, tileConvolutions(graph)].map((each) =>
      evaluateGraph(each, given),
    );
    const largest = Math.max(...(direct?.["y"] ?? []).map(Math.abs));
    expect(largest).toBeGreaterThan(0.1);
    for (const name of ["y", "z"]) {
      const expected = direct?.[name] ?? [];
      const found = tiled?.[name] ?? [];
      expect(found).toHaveLength(expected.length);
      // Each is a sum of a thousand products, in another order.
      const error = Math.max(...expected.map((value, at) => Math.abs(value - (found[at] ?? 0))));
      expect(error).toBeLessThan(5e-6 * largest);
    }
  });

  it("gives the same gradient, but for rounding", () => {
    const { inner, out, height, width } = small;
    const graph = inputGradient({ ...small, images: 1 });
    expect(nodesAsText(tileConvolutions(graph).nodes)).toEqual([
      "3 = TileWeights(1)",
      "4 = TileInput(0)",
      "5 = MatMul(3,4)",
      "2 = TileOutput(5)",
    ]);
    const given = { dy: wave(out * height * width, 7.1), w: wave(9 * inner * out, 0.61) };
    const [direct, tiled] = [graph, tileConvolutions(graph)].map((each) =>
      Float32Array.from(evaluateGraph(each, given)["dx"] ?? []),
    );
    const largest = Math.max(...(direct ?? []).map(Math.abs));
    expect(largest).toBeGreaterThan(0.1);
    expect(tiled).toHaveLength(inner * height * width);
    const errors = (direct ?? []).map((value, at) => Math.abs(value - (tiled?.[at] ?? Number.NaN)));
    expect(Math.max(...errors)).toBeLessThan(5e-6 * largest);
  });

  it("puts four nodes in place of one, and leaves its result's readers alone", () => {
    const tiled = tileConvolutions(convolution(small));
    expect(nodesAsText(tiled.nodes)).toEqual([
      "5 = TileWeights(1)",
      "6 = TileInput(0)",
      "7 = MatMul(5,6)",
      "3 = TileOutput(7,2)",
      "4 = Neg(3)",
    ]);
  });

  it("tiles images in parts where all at once would take much memory, none of them smaller", () => {
    // Tiles of an image take 8 MiB: eight fit.
    const large = { images: 17, inner: 128, out: 128, height: 64, width: 64 };
    const tiled = tileConvolutions(convolution(large));
    expect(operations(tiled)).toEqual([
      "TileWeights",
      ...[1, 2, 3].flatMap(() => ["Slice", "TileInput", "MatMul", "TileOutput"]),
      ...["Concat", "Neg"],
    ]);
    const parts = tiled.nodes.filter(({ operation }) => operation === "Slice");
    expect(parts.map(({ attributes }) => attributes)).toEqual(
      [
        [0, 6],
        [6, 6],
        [12, 5],
      ].map(([begin, count]) => ({ begin: [begin, 0, 0, 0], size: [count, 128, 64, 64] })),
    );
    expect(operations(tileConvolutions(convolution({ ...large, images: 8 })))).toEqual(
      operations(tileConvolutions(convolution(small))),
    );
  });

  it("never asks how many images there are", () => {
    for (let channels = 32; channels <= 640; channels += 32) {
      for (let side = 2; side <= 32; side += 2) {
        const sizes = { inner: channels, out: channels, height: side, width: side };
        const answers = [1, 2, 8].map((images) => isTiled(convolution({ ...sizes, images })));
        expect(new Set(answers).size, `${channels} channels, ${side} cells`).toBe(1);
      }
    }
  });

  it("leaves small maps, few channels, odd sides and other windows as they stand", () => {
    expect(isTiled(convolution({ ...small, height: 8, width: 8 }))).toBe(true);
    expect(isTiled(convolution({ ...small, height: 6, width: 10 }))).toBe(false);
    expect(isTiled(convolution({ ...small, inner: 4 }))).toBe(false);
    expect(isTiled(convolution({ ...small, out: 4 }))).toBe(false);
    expect(isTiled(convolution({ ...small, height: 9 }))).toBe(false);
    expect(isTiled(convolution({ ...small, width: 11 }))).toBe(false);
    expect(isTiled(convolution(small, { ...same, stride: 2 }))).toBe(false);
    expect(isTiled(inputGradient(small))).toBe(true);
    expect(isTiled(inputGradient(small, { ...same, stride: 2 }))).toBe(false);
    expect(isTiled(convolution(small, { stride: 1, pads: [0, 0, 2, 2] }))).toBe(false);
    expect(isTiled(convolution(small, { stride: 1, pads: [0, 0, 0, 0] }, 1))).toBe(false);
    expect(isTiled(convolution(small, { stride: 1, pads: [2, 2, 2, 2] }, 5))).toBe(false);
  });

  it("saves operations of a convolution with many channels, and says what the tiles take", () => {
    const sizes = { images: 4, inner: 640, out: 640, height: 16, width: 16 };
    const graph = convolution(sizes);
    const [direct, tiled] = [cost(graph), cost(tileConvolutions(graph))];
    expect(tiled.flops / direct.flops).toBeGreaterThan(4 / 9);
    expect(tiled.flops / direct.flops).toBeLessThan(0.6);
    // Tiles and products: four times a map each; kernels: 16 numbers for 9.
    const extra = 4 * (2 * 4 * 4 * 640 * 256 + 16 * 640 * 640);
    expect(tiled.runBytesMax).toBeGreaterThan(extra);
    expect(tiled.runBytesMax).toBeLessThan(1.5 * extra);
    expect(tiled.weightBytes).toBe(direct.weightBytes);
  });
});
