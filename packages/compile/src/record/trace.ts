import { createRequire } from "node:module";
import type { Program } from "@retake/model";
import * as tf from "@tensorflow/tfjs-core";
import type { Graph } from "../graph.js";
import { registerCollectiveKernels } from "./collective-kernels.js";
import { registerModelKernels } from "./model-kernels.js";
import { RecordBackend, recordBackendName } from "./record-backend.js";
import { registerTensorKernels } from "./tensor-kernels.js";

const require = createRequire(import.meta.url);
let recorder: RecordBackend | undefined;

/**
 * The backend, made when something is first recorded. In Node, TensorFlow.js's core knows no
 * gradients: the whole package registers them, which takes a fifth of a second. Whoever finds its
 * programs in the cache does not wait for it.
 */
function recordBackend(): RecordBackend {
  if (recorder === undefined) {
    require("@tensorflow/tfjs");
    const backend = new RecordBackend();
    recorder = backend;
    tf.registerBackend(recordBackendName, () => backend, 0);
    registerTensorKernels();
    registerModelKernels();
    registerCollectiveKernels();
  }
  return recorder;
}

/**
 * Records a program: its function is called once, on tensors without numbers.
 *
 * @returns  the graph of everything that the program's results need
 */
export function traceProgram(program: Program): Graph {
  const backend = recordBackend();
  // Asking for it makes TensorFlow.js choose its backend, if it has not yet: it must come back.
  tf.backend();
  const before = tf.getBackend();
  void tf.setBackend(recordBackendName);
  tf.engine().startScope();
  try {
    const builder = backend.begin();
    const inputs = new Map(
      program.inputs.map((spec) => {
        const value = builder.input(spec.name, { shape: spec.shape, type: spec.dtype });
        return [spec.name, backend.tensor(value)] as const;
      }),
    );
    const shapes = new Map(program.weights.map(({ name, shape }) => [name, shape]));
    const results = program.call({
      input: (name) => {
        const tensor = inputs.get(name);
        if (tensor === undefined) throw new Error(`trace: the program declares no input ${name}`);
        return tensor;
      },
      weight: (name) => {
        const shape = shapes.get(name);
        if (shape === undefined) throw new Error(`trace: the program declares no weight ${name}`);
        return backend.tensor(builder.weight(name, shape));
      },
    });
    const outputs = Object.entries(results).map(([name, tensor]) => ({
      name,
      value: backend.recorded(tensor).id,
    }));
    return builder.finish(outputs);
  } finally {
    tf.engine().endScope();
    void tf.setBackend(before);
  }
}
