import { describe, expect, it } from "vitest";
import type {
  NodeInfo,
  PassFlops,
  PassMemory,
  PassTime,
} from "../generated/retake/v1/membership.js";
import { protocolVersion } from "../protocol-version.js";
import { decodeNodeInfo, decodeNodeRates } from "./node-info.js";

const memory: PassMemory = {
  ...{ kind: "PASS_KIND_GRADIENTS", lowMemory: true, fixedBytes: 6e8, bytesPerPixel: 470.5 },
};
const flops: PassFlops = {
  ...{ kind: "PASS_KIND_UNET", lowMemory: false, flopsPerPixel: 1e6, flopsPerPixelPair: 0.5 },
};
const model = {
  ...{ hash: "abc", name: "tiny", cardJson: "", pictureSide: 64, timestepCount: 1000 },
  tunedParameters: 100,
  frameCoupling: { waits: 9, haloBytesPerPixel: 1.5, siteBytesPerPixel: 2 },
  passMemory: [memory],
  passFlops: [flops],
};
const node: NodeInfo = {
  ...{ nodeId: "n0", incarnation: "i1", protocolVersion, address: "127.0.0.1:1", pid: 1 },
  ...{ version: "0.1.0", engine: "onnx-cpu", numericsId: "x", threads: 1, memoryBytes: 0 },
  models: [model],
};

describe("decodeNodeInfo", () => {
  it("takes a node", () => {
    expect(decodeNodeInfo(node)).toBe(node);
  });

  it.each([
    { nodeId: "N0" },
    { incarnation: "" },
    { address: "here" },
    { pid: 0 },
    { version: "" },
    { engine: "" },
    { numericsId: "" },
    { threads: 0 },
    { models: [] },
    { models: [model, model] },
    { models: [{ ...model, hash: "" }] },
    { models: [{ ...model, cardJson: "x".repeat(64 * 1024 + 1) }] },
    { models: [{ ...model, pictureSide: 0 }] },
    { models: [{ ...model, passMemory: Array.from({ length: 17 }, () => memory) }] },
    { models: [{ ...model, passMemory: [{ ...memory, fixedBytes: -1 }] }] },
    { models: [{ ...model, passMemory: [{ ...memory, bytesPerPixel: Number.NaN }] }] },
    { models: [{ ...model, passFlops: Array.from({ length: 17 }, () => flops) }] },
    { models: [{ ...model, passFlops: [{ ...flops, flopsPerPixel: -1 }] }] },
    { models: [{ ...model, passFlops: [{ ...flops, flopsPerPixelPair: Number.NaN }] }] },
  ])("refuses %o", (wrong) => {
    expect(() => decodeNodeInfo({ ...node, ...wrong })).toThrow(
      expect.objectContaining({ reason: "bad-message" }),
    );
  });

  it("refuses another protocol with a sentence that says what to do", () => {
    const other = { ...node, protocolVersion: protocolVersion + 1 };
    expect(() => decodeNodeInfo(other)).toThrow(/expected protocol \d+, got \d+; run one release/);
  });
});

describe("decodeNodeRates", () => {
  const pass: PassTime = {
    ...{ modelHash: "abc", kind: "PASS_KIND_UNET", frames: 8, pixelsPerFrame: 4096 },
    ...{ durationMs: 3.5, passesAtOnce: 1 },
  };
  const rates = { flopsPerSecond: 1e9, bytesPerSecond: 0, roundTripMs: 0.2, passes: [pass] };

  it("takes rates, also those that were not measured yet", () => {
    expect(decodeNodeRates(rates)).toBe(rates);
  });

  it.each([
    undefined,
    { ...rates, flopsPerSecond: Number.NaN },
    { ...rates, roundTripMs: -1 },
    { ...rates, bytesPerSecond: Number.POSITIVE_INFINITY },
    { ...rates, passes: [{ ...pass, modelHash: "" }] },
    { ...rates, passes: [{ ...pass, frames: 0 }] },
    { ...rates, passes: [{ ...pass, passesAtOnce: 0 }] },
    { ...rates, passes: [{ ...pass, pixelsPerFrame: 0 }] },
    { ...rates, passes: [{ ...pass, durationMs: Number.NaN }] },
    { ...rates, passes: Array.from({ length: 65 }, () => pass) },
  ])("refuses %o", (wrong) => {
    expect(() => decodeNodeRates(wrong)).toThrow(
      expect.objectContaining({ reason: "bad-message" }),
    );
  });
});
