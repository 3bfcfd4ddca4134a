import { type Graph, type GraphNode, lowerToOnnx } from "@retake/compile";
import { Code, RetakeError } from "@retake/errors";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { engineFailure } from "./engine-failure.js";

/** A column and a row of so many values: their product takes 2^48 bytes, which nobody has. */
const side = 2 ** 23;

function hugeProduct(): Graph {
  const outputs = [2];
  const node: GraphNode = {
    ...{ operation: "MatMul", inputs: [0, 1], outputs, attributes: {}, path: "", segment: "" },
    backward: false,
  };
  const column = { id: 0, shape: [side, 1], type: "float32", origin: input("column") } as const;
  const row = { id: 1, shape: [1, side], type: "float32", origin: input("row") } as const;
  const origin = { kind: "node", node } as const;
  const product = { id: 2, shape: [side, side], type: "float32", origin } as const;
  return {
    ...{ nodes: [node], values: [column, row, product], inputs: [column, row] },
    outputs: [{ name: "product", value: 2 }],
  };
}

const input = (name: string) => ({ kind: "input", name }) as const;

describe("engineFailure", () => {
  it("knows what ONNX Runtime says when it gets no memory", async () => {
    const model = lowerToOnnx(hugeProduct(), {
      ...{ target: "cpu", attention: "plain", hidesShapes: false },
      weights: (name) => {
        throw new Error(`there is no ${name}`);
      },
    });
    const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4 });
    const values = new Float32Array(side);
    const column = new ort.Tensor("float32", values, [side, 1]);
    const row = new ort.Tensor("float32", values, [1, side]);
    const thrown: unknown = await session.run({ column, row }).catch((error: unknown) => error);
    await session.release();
    expect(engineFailure(thrown, "engine onnx-cpu")).toMatchObject({
      ...{ code: Code.ResourceExhausted, reason: "memory-short" },
      message:
        `engine onnx-cpu: expected ${2 ** 48} bytes of memory more, got none; ` +
        "take fewer or smaller frames",
    });
  });

  it("knows V8's, and takes everything else as it is", () => {
    const allocate = (): unknown => {
      try {
        return new ArrayBuffer(Number.MAX_SAFE_INTEGER);
      } catch (thrown) {
        return thrown;
      }
    };
    expect(engineFailure(allocate(), "engine")).toMatchObject({ reason: "memory-short" });
    expect(engineFailure(new Error("odd"), "engine")).toMatchObject({ reason: "bug" });
    const known = new RetakeError(Code.Canceled, "stopped", "out of memory, they say");
    expect(engineFailure(known, "engine")).toBe(known);
  });
});
