import { describe, expect, it } from "vitest";
import { Quorum, type QuorumMember, TaskHeader } from "../generated/retake/v1/node.js";
import { decodeAddress, decodeFrameRange, decodeQuorum, decodeTaskHeader } from "./task.js";

const refused = expect.objectContaining({ reason: "bad-message" });
const header: TaskHeader = {
  ...{ taskId: "e1/encode/0", editId: "e1", attempt: 0, epoch: 1, modelHash: "abc" },
  jobKey: Buffer.alloc(32, 7),
};

describe("decodeTaskHeader", () => {
  it("takes a header as it was sent", () => {
    const sent = TaskHeader.decode(TaskHeader.encode(header).finish());
    expect(decodeTaskHeader(sent)).toEqual(header);
  });

  it.each([
    undefined,
    { ...header, taskId: "" },
    { ...header, editId: "E 1" },
    { ...header, epoch: 0 },
    { ...header, modelHash: "" },
    { ...header, attempt: 1_000_001 },
    { ...header, jobKey: Buffer.alloc(0) },
    { ...header, jobKey: Buffer.alloc(33) },
  ])("refuses %o", (wrong) => {
    expect(() => decodeTaskHeader(wrong)).toThrow(refused);
  });
});

describe("decodeFrameRange", () => {
  it("takes a range up to the last frame", () => {
    expect(decodeFrameRange({ begin: 7, end: 8 }, { frames: 8 })).toEqual({ begin: 7, end: 8 });
  });

  it.each([
    undefined,
    { begin: 0, end: 0 },
    { begin: 3, end: 3 },
    { begin: 4, end: 3 },
    { begin: 0, end: 9 },
  ])("refuses %o", (wrong) => {
    expect(() => decodeFrameRange(wrong, { frames: 8 })).toThrow(refused);
  });
});

describe("decodeAddress", () => {
  it.each(["127.0.0.1:7000", "node-0.nodes:1", "[::1]:65535"])("takes %s", (address) => {
    expect(decodeAddress(address, { subject: "peer" })).toBe(address);
  });

  it.each(["", "host", "host:", "host:0", "host:65536", "ho st:1", ":1"])("refuses %j", (wrong) => {
    expect(() => decodeAddress(wrong, { subject: "peer" })).toThrow(refused);
  });
});

describe("decodeQuorum", () => {
  const member = (nodeId: string): QuorumMember => ({
    ...{ nodeId, address: "127.0.0.1:7000" },
    state: { source: { $case: "start", value: true } },
  });
  const quorum: Quorum = {
    ...{ quorumId: 1, committedSteps: 0, attempts: 0, members: [member("a"), member("b")] },
    ...{ shardCount: 64, weightsHash: "" },
  };

  it("takes a quorum as it was sent", () => {
    expect(decodeQuorum(Quorum.decode(Quorum.encode(quorum).finish()))).toEqual(quorum);
  });

  it.each([
    { quorumId: 0 },
    { committedSteps: 2, attempts: 1 },
    { members: [] },
    { members: [member("a"), member("a")] },
    { members: [member("A")] },
    { members: [{ ...member("a"), address: "nowhere" }] },
    { members: [{ ...member("a"), state: undefined }] },
    { members: [{ ...member("a"), state: { source: undefined } }] },
    {
      members: [
        { ...member("a"), state: { source: { $case: "snapshotId" as const, value: "no" } } },
      ],
    },
    {
      members: [{ ...member("a"), state: { source: { $case: "peerNodeId" as const, value: "" } } }],
    },
    { shardCount: 0 },
    { weightsHash: "x" },
  ])("refuses %o", (wrong) => {
    expect(() => decodeQuorum({ ...quorum, ...wrong })).toThrow(refused);
  });
});
