import * as tf from "@tensorflow/tfjs-core";
import type { GraphValue } from "../graph.js";
import { type RecordBackend, recordBackendName } from "./record-backend.js";

/** What a kernel is called with, as graph values. */
export interface KernelCall {
  readonly backend: RecordBackend;
  /** The input of that name. */
  readonly input: (name: string) => GraphValue;
  readonly hasInput: (name: string) => boolean;
  readonly inputs: readonly GraphValue[];
  readonly number: (name: string) => number;
  readonly numbers: (name: string) => number[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Registers how the recording backend records one TensorFlow.js kernel. */
export function recordKernel(
  kernelName: string,
  record: (call: KernelCall) => GraphValue | readonly GraphValue[],
): void {
  tf.registerKernel({
    kernelName,
    backendName: recordBackendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const recorder = backend as RecordBackend;
      const attributes = (attrs ?? {}) as Record<string, unknown>;
      const named = inputs as Record<string, tf.TensorInfo | undefined>;
      const present = Object.values(named).filter((info) => info !== undefined);
      const result = record({
        backend: recorder,
        input: (name) => {
          const info = named[name];
          if (info === undefined) throw new Error(`${kernelName}: expected an input ${name}`);
          return recorder.recorded(info);
        },
        hasInput: (name) => named[name] !== undefined,
        inputs: present.map((info) => recorder.recorded(info)),
        number: (name) => Number(attributes[name]),
        numbers: (name) => [...(attributes[name] as ArrayLike<number> & Iterable<number>)],
        attributes,
      });
      return Array.isArray(result)
        ? result.map((value: GraphValue) => recorder.info(value))
        : recorder.info(result as GraphValue);
    },
  });
}
