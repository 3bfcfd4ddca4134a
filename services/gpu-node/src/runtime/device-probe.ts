import { createHash } from "node:crypto";
import { fromUnknown } from "@retake/errors";
import * as ort from "onnxruntime-node";
import {
  type AttentionFinding,
  attentionModel,
  checkAttention,
  checkedHeadChannels,
} from "./attention-check.js";
import { type OnnxEngineName, sessionOptions, weightless } from "./onnx-session.js";
import type { DeviceFinding } from "./runner.js";

/** What the process that tries a device has to say. */
export type ProbeAnswer =
  | { readonly ok: true; readonly device: DeviceFinding }
  | { readonly ok: false; readonly message: string };

async function attentionFinding(
  name: OnnxEngineName,
  headChannels: number,
): Promise<AttentionFinding> {
  const model = attentionModel(headChannels, { target: "gpu", attention: "fused" });
  const options = sessionOptions(name, { threads: 1 }, weightless);
  const session = await ort.InferenceSession.create(model, options);
  return checkAttention(headChannels, async (inputs) => {
    const feeds = Object.entries(inputs).map(
      ([input, { data, shape }]) => [input, new ort.Tensor("float32", data, shape)] as const,
    );
    const data = (await session.run(Object.fromEntries(feeds))).out?.data;
    return data instanceof Float32Array ? data : new Float32Array();
  });
}

async function probe(name: OnnxEngineName): Promise<DeviceFinding> {
  const hash = createHash("sha256");
  let isRight = true;
  for (const headChannels of checkedHeadChannels) {
    const finding = await attentionFinding(name, headChannels);
    hash.update(finding.output);
    isRight &&= finding.isRight;
  }
  return { attention: isRight ? "fused" : "plain", fingerprint: hash.digest("hex").slice(0, 16) };
}

// A process of its own: what a driver does on a bad day, it does not do to the caller.
process.once("message", (name: OnnxEngineName) => {
  const end = (answer: ProbeAnswer): void => {
    process.send?.(answer, undefined, undefined, () => process.exit(0));
  };
  probe(name).then(
    (device) => end({ ok: true, device }),
    (thrown: unknown) => end({ ok: false, message: fromUnknown(thrown, name).message }),
  );
});
