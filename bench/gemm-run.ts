/**
 * How fast this machine multiplies matrices through ONNX Runtime: the ceiling for everything
 * else. Prints one JSON object; `bench:unet` and `bench:cost` start it.
 */
import { lowerToOnnx, traceProgram } from "@retake/compile";
import type { Program } from "@retake/model";
import * as tf from "@tensorflow/tfjs";
import * as ort from "onnxruntime-node";
import { namedTensor } from "../test/golden/sd-size-weights.js";

const side = 2048;
const runs = 15;

const product: Program = {
  inputs: ["a", "b"].map((name) => ({ name, shape: [side, side], dtype: "float32" })),
  weights: [],
  outputs: [{ name: "c", shape: [side, side], dtype: "float32" }],
  call: ({ input }) => ({ c: tf.matMul(input("a"), input("b")) }),
};

async function main(threads: number): Promise<void> {
  const weights = (name: string): never => {
    throw new Error(`there is no weight ${name}`);
  };
  const model = lowerToOnnx(traceProgram(product), { target: "cpu", weights });
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads });
  const feeds = Object.fromEntries(
    ["a", "b"].map((name) => {
      const { data, shape } = namedTensor(`input.${name}`, [side, side]);
      return [name, new ort.Tensor("float32", data, shape)];
    }),
  );
  const out = { c: new ort.Tensor("float32", new Float32Array(side * side), [side, side]) };
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run <= runs; run += 1) {
    const began = performance.now();
    await session.run(feeds, out);
    if (run > 0) best = Math.min(best, (performance.now() - began) / 1000);
  }
  console.log(JSON.stringify({ threads, side, seconds: best, rate: (2 * side ** 3) / best }));
}

await main(Number(process.argv[2] ?? 2));
