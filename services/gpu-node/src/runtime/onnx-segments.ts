import type { SegmentedProgram } from "@retake/compile";
import { Code, RetakeError } from "@retake/errors";
import type { Program } from "@retake/model";
import type * as ort from "onnxruntime-node";
import { declaredInput } from "./declared-input.js";
import type { Exchanger, HostTensors } from "./engine.js";
import { hostTensors, ortTensor } from "./onnx-tensors.js";
import { runSegments } from "./run-segments.js";
import type { RunnerProgram } from "./runner.js";

/** One rank's part of a program: a session for each segment that computes something. */
export class OnnxSegments implements RunnerProgram {
  readonly #program: Program;
  readonly #segmented: SegmentedProgram;
  readonly #sessions: readonly (ort.InferenceSession | undefined)[];

  constructor(
    program: Program,
    segmented: SegmentedProgram,
    sessions: readonly (ort.InferenceSession | undefined)[],
  ) {
    this.#program = program;
    this.#segmented = segmented;
    this.#sessions = sessions;
  }

  async run(
    inputs: HostTensors,
    _into?: Readonly<Record<string, Float32Array>>,
    exchange?: Exchanger,
  ): Promise<HostTensors> {
    if (exchange === undefined) {
      const message = "program: expected somebody to exchange frames with, got nobody";
      throw new RetakeError(Code.InvalidArgument, "bad-option", message);
    }
    return runSegments(this.#segmented, {
      inputs: Object.fromEntries(
        this.#program.inputs.map((spec) => [spec.name, declaredInput(spec, inputs)]),
      ),
      exchange,
      run: (segment, feeds) => this.#runSegment(segment, feeds),
      shapes: new Map(this.#program.outputs.map(({ name, shape }) => [name, shape])),
    });
  }

  async #runSegment(at: number, feeds: HostTensors): Promise<HostTensors> {
    const session = this.#sessions[at];
    if (session === undefined) throw new Error(`segments: there is no session ${at}`);
    const tensors = Object.entries(feeds).map(([name, tensor]) => [name, ortTensor(tensor)]);
    return hostTensors(await session.run(Object.fromEntries(tensors)));
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) await session?.release();
  }
}
