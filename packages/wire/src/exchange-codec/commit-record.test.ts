import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCommitRecord, encodeCommitRecord } from "./commit-record.js";

const record = {
  ...{ editId: "e-1", epoch: 1, step: 4, quorumId: 2, nodeIds: ["a", "b"] },
  ...{ numericsId: "onnx", gradientHash: "0".repeat(64), weightsHash: "", attempts: 5, loss: 0.5 },
};

describe("encodeCommitRecord and decodeCommitRecord", () => {
  it("carry a record, with and without a hash of the weights", () => {
    for (const given of [record, { ...record, weightsHash: "f".repeat(64) }]) {
      expect(decodeCommitRecord(encodeCommitRecord(given))).toEqual(given);
    }
  });

  it.each([
    ["no edit", { editId: "" }],
    ["epoch 0", { epoch: 0 }],
    ["fewer attempts than steps", { attempts: 4 }],
    ["no members", { nodeIds: [] }],
    ["a member twice", { nodeIds: ["a", "a"] }],
    ["a member that is no name", { nodeIds: ["a.b"] }],
    ["a hash that is none", { gradientHash: "0" }],
    ["a hash of weights that is none", { weightsHash: "F".repeat(64) }],
    ["a loss that is not finite", { loss: Number.NaN }],
  ])("refuse %s", (_, wrong) => {
    const bytes = encodeCommitRecord({ ...record, ...wrong });
    expect(() => decodeCommitRecord(bytes)).toThrow(
      expect.objectContaining({ reason: "bad-message" }),
    );
  });

  it("refuse any other bytes with an error of ours", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(() => decodeCommitRecord(bytes)).toThrow(
          expect.objectContaining({ reason: "bad-message" }),
        );
      }),
      { numRuns: Number(process.env["RETAKE_CASES"] ?? 2000) },
    );
  });
});
