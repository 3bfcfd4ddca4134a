import { createHash } from "node:crypto";
import type { StreamContext } from "@retake/wire";
import { decodeTaskHeader, present, wholeNumber } from "@retake/wire/decoders";
import type {
  DecodeRequest,
  DecodeResponse,
  EncodeRequest,
  EncodeResponse,
  TaskReport,
} from "@retake/wire/node";
import { decodeLatents } from "../tasks/decode-latents.js";
import { encodeClip } from "../tasks/encode-clip.js";
import type { TaskControl } from "../tasks/task-control.js";
import type { NodeContext } from "./node-context.js";
import { sendTensors } from "./send-file.js";
import { latentsOfFrames, readFrames, readLatents } from "./task-inputs.js";

const framesPerPassMax = 64;

function decodeFramesPerPass(framesPerPass: number): number {
  return wholeNumber(framesPerPass, { subject: "frames per pass", min: 1, max: framesPerPassMax });
}

/** What is told of a task's progress: never waited for, since it never fills a stream. */
export function reporting(
  send: (report: TaskReport) => Promise<void>,
  signal: AbortSignal,
): TaskControl {
  // A reader who is gone aborts the signal; the task itself ends by that.
  const tell = (report: TaskReport): void => void send(report).catch(() => undefined);
  return {
    signal,
    onProgress: (value) => tell({ report: { $case: "progress", value } }),
    onWarning: (value) => tell({ report: { $case: "warning", value } }),
  };
}

/** Encodes some frames of a clip to posterior moments. */
export async function encodeTask(
  context: NodeContext,
  request: EncodeRequest,
  stream: StreamContext<EncodeResponse>,
): Promise<void> {
  const task = decodeTaskHeader(request.task);
  const framesPerPass = decodeFramesPerPass(request.framesPerPass);
  await context.board.run(task, stream.signal, async ({ signal }) => {
    const model = await context.models.use(task.modelHash);
    const clip = await readFrames(
      { ...context, signal },
      request,
      present(request.frames, "frames"),
    );
    const control = reporting(
      (value) => stream.send({ event: { $case: "report", value } }),
      signal,
    );
    const { mean, logVariance } = await encodeClip(model, { ...clip, framesPerPass }, control);
    const tensors = { mean, log_variance: logVariance };
    await sendTensors(context.workFolder, tensors, (value) =>
      stream.send({ event: { $case: "moments", value } }),
    );
  });
}

/** Decodes some frames of latents; each is sent as soon as it is there. */
export async function decodeTask(
  context: NodeContext,
  request: DecodeRequest,
  stream: StreamContext<DecodeResponse>,
): Promise<void> {
  const task = decodeTaskHeader(request.task);
  const framesPerPass = decodeFramesPerPass(request.framesPerPass);
  await context.board.run(task, stream.signal, async ({ signal, assertGoesOn }) => {
    const model = await context.models.use(task.modelHash);
    const whole = await readLatents({ ...context, signal }, request.latentsId);
    const { begin } = present(request.frames, "frames");
    const latents = latentsOfFrames(whole, request.frames);
    const frameCount = latents.shape[2] ?? 0;
    const control = reporting(
      (value) => stream.send({ event: { $case: "report", value } }),
      signal,
    );
    const onFrames = async (
      { pixels, frames, width, height }: Parameters<typeof sendFrames>[0],
      first: number,
    ): Promise<void> => {
      await sendFrames({ pixels, frames, width, height }, begin + first, stream);
      if (first + frames < frameCount) assertGoesOn();
    };
    await decodeLatents(model, { latents, framesPerPass, onFrames }, control);
  });
}

async function sendFrames(
  clip: { pixels: Uint8Array; frames: number; width: number; height: number },
  first: number,
  { send }: StreamContext<DecodeResponse>,
): Promise<void> {
  const { pixels, frames, width, height } = clip;
  const bytes = width * height * 3;
  for (let i = 0; i < frames; i += 1) {
    const data = Buffer.from(pixels.slice(i * bytes, (i + 1) * bytes).buffer);
    const dataSha256 = createHash("sha256").update(data).digest();
    const value = { frame: first + i, width, height, data, dataSha256 };
    await send({ event: { $case: "frame", value } });
  }
}
