import { lowerToOnnx, traceProgram } from "@retake/compile";
import type { Program } from "@retake/model";
import * as ort from "onnxruntime-node";

/** A program of the judge, traced by the product's compiler, run by ONNX Runtime. */
export interface CompiledProgram {
  readonly run: (
    inputs: Readonly<Record<string, Float32Array>>,
  ) => Promise<(name: string) => Float32Array>;
  readonly close: () => Promise<void>;
}

/** @param options.threads  of a run */
export async function compileProgram(
  program: Program,
  options: { readonly threads: number },
): Promise<CompiledProgram> {
  const model = lowerToOnnx(traceProgram(program), {
    target: "cpu",
    weights: (name) => {
      throw new Error(`${name}: expected a program without frozen weights`);
    },
  });
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: options.threads,
    logSeverityLevel: 3,
  });
  return {
    run: async (inputs) => {
      const feeds = Object.fromEntries(
        program.inputs.map(({ name, shape }) => [
          name,
          new ort.Tensor("float32", inputs[name] ?? new Float32Array(), shape),
        ]),
      );
      const results = await session.run(feeds);
      return (name) => {
        const data = results[name]?.data;
        if (data instanceof Float32Array) return data;
        throw new Error(`outputs: expected ${name}, got ${Object.keys(results).join(", ")}`);
      };
    },
    close: () => session.release(),
  };
}
