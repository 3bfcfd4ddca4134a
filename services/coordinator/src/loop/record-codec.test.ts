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
      ...[null, 3, [], {}, { format: 1, record }, { format: 2 }],
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

  it("reads the commit that it has written", () => {
    const commit = {
      ...{ editId: "e", epoch: 1, step: 0, quorumId: 1, nodeIds: ["n"], numericsId: "x" },
      ...{ gradientHash: "a".repeat(64), weightsHash: "", attempts: 1, loss: 0.5 },
    };
    expect(storeCodecs.commit.decode(storeCodecs.commit.encode(commit))).toEqual(commit);
  });
});
