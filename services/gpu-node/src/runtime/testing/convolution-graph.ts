import type { Graph, GraphNode, GraphValue } from "@retake/compile";

export const convolutionChannels = 16;

/** A convolution of `x`, `[1, channels, 4, 4]`, and the same exponential of it twice: `y`. */
export function twiceComputed(): Graph {
  const maps = [1, convolutionChannels, 4, 4];
  const kernel = [convolutionChannels, convolutionChannels, 3, 3];
  const data = new Float32Array(kernel.reduce((a, b) => a * b)).map((_, i) => Math.sin(i));
  const values: GraphValue[] = [
    { id: 0, shape: maps, type: "float32", origin: { kind: "input", name: "x" } },
    { id: 1, shape: kernel, type: "float32", origin: { kind: "constant", data } },
    { id: 2, shape: [convolutionChannels], type: "float32", origin: { kind: "fill", value: 0 } },
  ];
  const nodes: GraphNode[] = [];
  const add = (operation: string, inputs: readonly number[], attributes = {}): number => {
    const id = values.length;
    const place = { path: "", segment: "", backward: true };
    const node = { operation, inputs, outputs: [id], attributes, ...place };
    nodes.push(node);
    values.push({ id, shape: maps, type: "float32", origin: { kind: "node", node } });
    return id;
  };
  const y = add("Convolution", [0, 1, 2], { stride: 1, pads: [1, 1, 1, 1] });
  const product = add("Mul", [add("Exp", [y]), add("Exp", [y])]);
  const inputs = values.filter(({ origin }) => origin.kind === "input");
  return { nodes, values, inputs, outputs: [{ name: "y", value: product }] };
}
