import type { EditRecord, NodeInfo, Task } from "@retake/coordinator/job";
import type { Chance } from "./random.js";

/** So little crosses that slow nodes share frames. */
const frameCoupling = { waits: 1, haloBytesPerPixel: 1, siteBytesPerPixel: 1 };

/** What the largest node has: every edit fits on it, some in smaller passes than asked for. */
const memoryBytesMax = 1_000;

const bytesPerPixel = { encode: 3, gradients: 2, unet: 1, decode: 3 } as const;
const fixedBytes = 100;

/** What a node says of the one model that there is. */
export const toyModel: NodeInfo["models"][number] = {
  ...{ hash: "m", name: "m", tunedParameters: 1000, frameCoupling, passFlops: [] },
  passMemory: (["encode", "gradients", "unet", "decode"] as const).map((kind) => {
    return { kind, lowMemory: false, fixedBytes, bytesPerPixel: bytesPerPixel[kind] };
  }),
};

/** Of the first node, all; of others, some have less. */
export function chosenMemory(chance: Chance, isFirst: boolean): number {
  return isFirst || chance.happens(0.6) ? memoryBytesMax : chance.whole({ min: 200, max: 900 });
}

/** Why a task should not have come to a node; empty where it should. */
export function misplaced(
  { record, task }: { readonly record: EditRecord; readonly task: Task },
  node: { readonly numericsId: string; readonly memoryBytes: number },
): string {
  if (record.numericsId !== node.numericsId) return `${task.id} went to other numerics`;
  const isFitting = bytesOf(record, task) <= node.memoryBytes;
  return isFitting ? "" : `${task.id} went to a node that it does not fit on`;
}

/** What the passes of a task really take. */
function bytesOf({ spec, framesPerPass }: EditRecord, { kind }: Task): number {
  const { frames, width, height, guidance } = spec.settings;
  const isVae = kind === "encode" || kind === "decode";
  const branches = kind === "sample" && framesPerPass > 1 && guidance !== 1 ? 2 : 1;
  const pixels = width * height * (isVae ? Math.min(framesPerPass, frames) : branches * frames);
  const pass = isVae ? kind : kind === "tune" ? "gradients" : "unet";
  return fixedBytes + bytesPerPixel[pass] * pixels;
}
