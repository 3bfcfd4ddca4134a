import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aRecord } from "../job/testing/an-edit.js";
import { storeCodecs } from "./record-codec.js";

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe("storeCodecs", () => {
  it("reads the record that it has written", () => {
    const record = aRecord({ prompts: ["a", "b"] });
    expect(storeCodecs.record.decode(storeCodecs.record.encode(record))).toEqual(record);
  });

  it("reads a record of before engines were kept", () => {
    const { engine: _, ...record } = aRecord({});
    const stored = bytesOf({ format: 2, record });
    expect(storeCodecs.record.decode(stored)).toEqual(aRecord({}));
  });

  it("refuses another format, and records with fields missing or absurd", () => {
    const record = aRecord({});
    const refused: readonly unknown[] = [
      ...[null, 3, [], {}, { format: 1, record }, { format: "3", record }, { format: 2 }],
      ...["id", "epoch", "spec", "tasks", "state", "phase"].map((name) => ({
        format: 2,
        record: { ...record, [name]: undefined },
      })),
      { format: 2, record: { ...record, epoch: -1 } },
      { format: 2, record: { ...record, state: "lost" } },
      { format: 2, record: { ...record, tasks: {} } },
    ];
    for (const value of refused) {
      const reason = "record-malformed";
      expect(() => storeCodecs.record.decode(bytesOf(value))).toThrow(
        expect.objectContaining({ reason }),
      );
    }
  });

  it("says of a record of a later release that that release is to be run", () => {
    const later = bytesOf({ format: 3, record: aRecord({}) });
    expect(() => storeCodecs.record.decode(later)).toThrow(
      expect.objectContaining({
        ...{ code: "FAILED_PRECONDITION", reason: "record-newer" },
        message:
          "edit record: expected format 2, got 3, of a later release; " +
          "run that release on this store",
      }),
    );
  });

  it("reads or refuses whatever bytes are stored, and has no fault of its own", () => {
    const right = storeCodecs.record.encode(aRecord({ prompts: ["a", "b"] }));
    const turned = fc
      .tuple(fc.nat({ max: right.length - 1 }), fc.nat({ max: 255 }))
      .map(([at, value]) => right.map((byte, index) => (index === at ? value : byte)));
    const cut = fc.nat({ max: right.length }).map((length) => right.subarray(0, length));
    const stored = fc
      .json()
      .map((json) => new TextEncoder().encode(`{"format":2,"record":${json}}`));
    fc.assert(
      fc.property(fc.oneof(turned, cut, stored, fc.uint8Array({ maxLength: 40 })), (bytes) => {
        try {
          expect(storeCodecs.record.decode(bytes).tasks).toBeInstanceOf(Array);
        } catch (thrown) {
          expect(thrown).toMatchObject({ name: "RetakeError" });
        }
      }),
      { numRuns: Number(process.env["RETAKE_CASES"] ?? 500) },
    );
  });

  it("reads the commit that it has written", () => {
    const commit = {
      ...{ editId: "e", epoch: 1, step: 0, quorumId: 1, nodeIds: ["n"], numericsId: "x" },
      ...{ gradientHash: "a".repeat(64), weightsHash: "", attempts: 1, loss: 0.5 },
    };
    expect(storeCodecs.commit.decode(storeCodecs.commit.encode(commit))).toEqual(commit);
  });
});
