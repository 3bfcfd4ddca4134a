import { describe, expect, it } from "vitest";
import { decodeEditId, decodeNodeId } from "./decoders/ids.js";
import { commitSubject, shardSubject } from "./subjects.js";

describe("subjects", () => {
  it("name the edit and the node", () => {
    const editId = decodeEditId("e-1");
    expect(shardSubject({ editId, nodeId: decodeNodeId("n0") })).toBe("retake.v1.e-1.n0.shard");
    expect(commitSubject(editId)).toBe("retake.v1.e-1.commit");
  });
});
