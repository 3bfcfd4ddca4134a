import { createHash } from "node:crypto";
import { fromUnknown } from "@retake/errors";
import * as ort from "onnxruntime-node";
import { attentionModel, checkAttention } from "./attention-check.js";
import { type OnnxEngineName, sessionOptions, weightless } from "./onnx-session.js";
import type { DeviceFinding } from "./runner.js";

/** What the process that tries a device has to say. */
export type ProbeAnswer =
  | { readonly ok: true; readonly device: DeviceFinding }
  | { readonly ok: false; readonly message: string };

async function probe(name: OnnxEngineName): Promise<DeviceFinding> {
  const model = attentionModel({ target: "gpu", attention: "fused" });
  const options = sessionOptions(name, { threads: 1 }, weightless);
  const session = await ort.InferenceSession.create(model, options);
  const { isRight, output } = await checkAttention(async (inputs) => {
    const feeds = Object.entries(inputs).map(
      ([input, { data, shape }]) => [input, new ort.Tensor("float32", data, shape)] as const,
    );
    const data = (await session.run(Object.fromEntries(feeds))).out?.data;
    return data instanceof Float32Array ? data : new Float32Array();
  });
  const fingerprint = createHash("sha256").update(output).digest("hex").slice(0, 16);
  return { attention: isRight ? "fused" : "plain", fingerprint };
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
