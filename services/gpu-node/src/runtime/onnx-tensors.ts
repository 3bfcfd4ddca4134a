import { Code, RetakeError } from "@retake/errors";
import * as ort from "onnxruntime-node";
import type { HostTensor, HostTensors } from "./engine.js";

/** A tensor as ONNX Runtime takes it; it reads the same array. */
export function ortTensor({ data, shape }: HostTensor): ort.Tensor {
  return data instanceof Int32Array
    ? new ort.Tensor("int32", data, shape)
    : new ort.Tensor("float32", data, shape);
}

/** What a session gave, by name. */
export function hostTensors(results: Readonly<Record<string, ort.OnnxValue>>): HostTensors {
  const outputs: Record<string, HostTensor> = {};
  for (const [name, { data, dims }] of Object.entries(results)) {
    if (!(data instanceof Float32Array)) {
      throw new RetakeError(Code.Internal, "engine-failed", `${name}: expected float32`);
    }
    outputs[name] = { shape: dims, data };
  }
  return outputs;
}
