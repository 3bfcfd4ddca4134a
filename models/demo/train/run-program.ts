import { cost, type Graph, lowerToOnnx, traceProgram } from "@retake/compile";
import type { Program } from "@retake/model";
import * as ort from "onnxruntime-node";
import type { Arrays } from "./phase.js";

/** A program that is compiled and can be run, by one thread. */
export interface OpenProgram {
  /** Floating-point operations of its matrix products and convolutions. */
  readonly flops: number;
  /**
   * @param inputs  every input of the program, by name
   * @returns       every output, by name
   */
  run(inputs: Arrays): Promise<Readonly<Record<string, Float32Array>>>;
}

/**
 * Compiles a program for one thread: thin networks keep two threads busy by a program each, not by
 * dividing every node. The graph's order is kept, as for the product's backward passes.
 */
export async function openProgram(program: Program): Promise<OpenProgram> {
  const graph = traceProgram(program);
  const bytes = lowerToOnnx(graph, {
    target: "cpu",
    weights: (name) => {
      throw new Error(`${name}: expected all weights to be inputs`);
    },
  });
  const session = await ort.InferenceSession.create(bytes, {
    intraOpNumThreads: 1,
    graphOptimizationLevel: "disabled",
    enableMemPattern: false,
    logSeverityLevel: 3,
  });
  return {
    flops: productFlops(graph),
    run: async (inputs) => {
      const feeds = program.inputs.map(({ name, shape }) => {
        const data = inputs[name];
        if (data === undefined) throw new Error(`${name}: expected values, got none`);
        const tensor =
          data instanceof Int32Array
            ? new ort.Tensor("int32", data, shape)
            : new ort.Tensor("float32", data, shape);
        return [name, tensor] as const;
      });
      const results = Object.entries(await session.run(Object.fromEntries(feeds)));
      return Object.fromEntries(
        results.map(([name, tensor]) => [name, float32(name, tensor.data)]),
      );
    },
  };
}

const products = /^(Linear|MatMul|Convolution.*|Attention)$/;

/** Products only, a multiplication and an addition counting two: what rates are quoted by. */
function productFlops(graph: Graph): number {
  return cost({ ...graph, nodes: graph.nodes.filter((node) => products.test(node.operation)) })
    .flops;
}

function float32(name: string, data: ort.Tensor["data"]): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new Error(`${name}: expected float32`);
}
