import * as tf from "@tensorflow/tfjs-core";
import type { GraphValue } from "../graph.js";
import { GraphBuilder } from "./graph-builder.js";

export const recordBackendName = "retake-record";

/**
 * A TensorFlow.js backend that records what it is asked to compute. Its tensors hold no numbers,
 * only the graph's value that they stand for.
 */
export class RecordBackend extends tf.KernelBackend {
  builder = new GraphBuilder();
  #values = new WeakMap<object, GraphValue>();

  /** Begins a new recording; tensors of the one before are of no use any more. */
  begin(): GraphBuilder {
    this.builder = new GraphBuilder();
    this.#values = new WeakMap();
    return this.builder;
  }

  /** The value that a tensor stands for. */
  recorded(tensor: { readonly dataId: object }): GraphValue {
    const value = this.#values.get(tensor.dataId);
    if (value === undefined) throw new Error("record: the tensor is not of this recording");
    return value;
  }

  /** A fresh tensor that stands for a value: also where the value was known before. */
  info(value: GraphValue): tf.TensorInfo {
    const dataId = {};
    this.#values.set(dataId, value);
    return { dataId, shape: [...value.shape], dtype: value.type };
  }

  tensor(value: GraphValue): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.info(value));
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }

  override move(
    dataId: object,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
  ): void {
    const numbers = Array.from(values as ArrayLike<number>);
    const data = dtype === "float32" ? Float32Array.from(numbers) : Int32Array.from(numbers);
    this.#values.set(dataId, this.builder.constant(data, shape));
  }

  override readSync(): tf.BackendValues {
    throw new Error("record: a recorded tensor has no numbers; keep data out of control flow");
  }

  override read(): Promise<tf.BackendValues> {
    return Promise.reject(new Error("record: a recorded tensor has no numbers"));
  }

  override numDataIds(): number {
    return 0;
  }

  override disposeData(): boolean {
    return true;
  }

  override incRef(): void {}

  decRef(): void {}

  override refCount(): number {
    return 1;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override timerAvailable(): boolean {
    return false;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {}
}
