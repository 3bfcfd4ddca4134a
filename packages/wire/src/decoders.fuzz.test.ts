import { RetakeError } from "@retake/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeFrameRange,
  decodeNodeInfo,
  decodeNodeRates,
  decodeQuorum,
  decodeSamplingSettings,
  decodeTaskHeader,
  decodeTuningSettings,
} from "./decoders.js";
import { NodeInfo, NodeRates } from "./generated/retake/v1/membership.js";
import { FrameRange, Quorum, TaskHeader } from "./generated/retake/v1/node.js";
import { Settings } from "./generated/retake/v1/settings.js";
import { protocolVersion } from "./protocol-version.js";
import { changed, changes } from "./testing/absurd-message.js";

/** `npm run test:decoders` takes 20,000. */
const casesPerDecoder = Number(process.env["RETAKE_CASES"] ?? 500);

interface Decoder<Message> {
  readonly name: string;
  readonly codec: {
    readonly encode: (message: Message) => { finish: () => Uint8Array };
    readonly decode: (bytes: Uint8Array) => Message;
    readonly fromPartial: (fields: object) => Message;
  };
  /** A message that it takes. */
  readonly right: object;
  readonly decode: (message: Message) => unknown;
  /** Whether every field may be missing. */
  readonly isOptional?: boolean;
}
const decoder = <Message>(about: Decoder<Message>): Decoder<unknown> =>
  about as unknown as Decoder<unknown>;

const digest = "0123456789abcdef".repeat(4);
const settings = {
  ...{ frames: 8, stride: 1, start: "0", width: 64, height: 64, fit: "crop", steps: 10 },
  ...{ rate: 3e-5, draws: 2, mode: "paper", temporalStart: "no-op", memory: "fast" },
  ...{ ddim: 50, guidance: 7.5, strength: 1, seed: 33, batch: 1 },
};
const pass = { kind: "PASS_KIND_UNET", lowMemory: false };
const model = {
  ...{ hash: "abc", name: "tiny", cardJson: "{}", pictureSide: 64, timestepCount: 1000 },
  ...{ tunedParameters: 100, passMemory: [{ ...pass, fixedBytes: 1, bytesPerPixel: 2 }] },
  frameCoupling: { waits: 9, haloBytesPerPixel: 1.5, siteBytesPerPixel: 2 },
  passFlops: [{ ...pass, flopsPerPixel: 1, flopsPerPixelPair: 0.5 }],
};
const members = [
  { nodeId: "a", address: "h:1", state: { source: { $case: "start", value: {} } } },
  { nodeId: "b", address: "h:2", state: { source: { $case: "peerNodeId", value: "a" } } },
  { nodeId: "c", address: "h:3", state: { source: { $case: "snapshotId", value: digest } } },
];

const decoders: readonly Decoder<unknown>[] = [
  decoder<NodeInfo>({
    ...{ name: "decodeNodeInfo", codec: NodeInfo, decode: decodeNodeInfo },
    right: {
      ...{ nodeId: "n0", incarnation: "i1", protocolVersion, address: "127.0.0.1:1", pid: 1 },
      ...{ version: "0.1.0", engine: "onnx-cpu", numericsId: "x", threads: 1, memoryBytes: 5 },
      models: [model],
    },
  }),
  decoder<NodeRates>({
    ...{ name: "decodeNodeRates", codec: NodeRates, decode: decodeNodeRates },
    right: {
      ...{ flopsPerSecond: 1e12, bytesPerSecond: 1e9, roundTripMs: 0.5 },
      passes: [
        {
          ...pass,
          modelHash: "abc",
          frames: 8,
          pixelsPerFrame: 64,
          durationMs: 1,
          passesAtOnce: 1,
        },
      ],
    },
  }),
  decoder<TaskHeader>({
    ...{ name: "decodeTaskHeader", codec: TaskHeader, decode: decodeTaskHeader },
    right: {
      ...{ taskId: "e1-1", editId: "e1", attempt: 1, epoch: 2, modelHash: "abc" },
      jobKey: new Uint8Array(32),
    },
  }),
  decoder<Quorum>({
    ...{ name: "decodeQuorum", codec: Quorum, decode: decodeQuorum },
    right: {
      ...{ quorumId: 2, committedSteps: 3, attempts: 4, shardCount: 64, weightsHash: digest },
      members,
    },
  }),
  decoder<FrameRange>({
    ...{ name: "decodeFrameRange", codec: FrameRange, right: { begin: 1, end: 3 } },
    decode: (range) => decodeFrameRange(range, { frames: 8 }),
  }),
  decoder<Settings>({
    ...{ name: "decodeTuningSettings", codec: Settings, right: settings, isOptional: true },
    decode: decodeTuningSettings,
  }),
  decoder<Settings>({
    ...{ name: "decodeSamplingSettings", codec: Settings, right: settings, isOptional: true },
    decode: decodeSamplingSettings,
  }),
];

describe.each(decoders)("$name", ({ codec, right, decode, isOptional = false }) => {
  const bytes = codec.encode(codec.fromPartial(right)).finish();
  const message = codec.decode(bytes) as object;

  it("takes a message that is right", () => {
    expect(() => decode(message)).not.toThrow();
  });

  it("takes or refuses whatever else comes, and has no fault of its own", () => {
    const outcomes = new Set<string>();
    fc.assert(
      fc.property(changes, (all) => {
        const given = changed(message, all, { isOptional });
        try {
          decode(given);
          outcomes.add("taken");
        } catch (thrown) {
          if (!(thrown instanceof RetakeError)) throw thrown;
          outcomes.add(thrown.reason);
          expect(["bad-message", "protocol-mismatch"]).toContain(thrown.reason);
        }
      }),
      { numRuns: casesPerDecoder },
    );
    expect([...outcomes]).toEqual(expect.arrayContaining(["taken", "bad-message"]));
  });
});
