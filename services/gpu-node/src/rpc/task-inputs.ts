import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { Code, RetakeError } from "@retake/errors";
import {
  badMessage,
  decodeArtifactId,
  decodeFrameRange,
  type SamplingSettings,
} from "@retake/wire/decoders";
import type { FrameRange, LatentsAt } from "@retake/wire/node";
import type { HostTensor, HostTensors } from "../runtime/engine.js";
import type { ClipPixels } from "../tasks/clip-pixels.js";
import type { ClipMoments } from "../tasks/encode-clip.js";
import { float32Values, hostTensor, latentSizes } from "../tasks/host-tensors.js";
import type { LatentsDone } from "../tasks/latents-done.js";
import type { Model } from "../tasks/open-model.js";
import { openDelta, readTensors } from "../tasks/tuned-delta.js";
import { startTensors } from "../tasks/tuned-tensors.js";
import type { ArtifactCache } from "./artifact-cache.js";

/** Where a task's inputs come from. */
export interface InputSource {
  readonly artifacts: ArtifactCache;
  readonly signal: AbortSignal;
}

const sideMax = 4096;

/** Some frames of a clip artifact: raw, height x width x 3 bytes each. */
export async function readFrames(
  { artifacts, signal }: InputSource,
  clip: { readonly clipId: string; readonly width: number; readonly height: number },
  range: FrameRange | undefined,
): Promise<ClipPixels> {
  const { width, height } = clip;
  const isSize = [width, height].every((side) => side >= 1 && side <= sideMax);
  if (!isSize) throw badClip(`sides of 1 to ${sideMax}`, `${width}x${height}`);
  const id = decodeArtifactId(clip.clipId, { subject: "clip" });
  return artifacts.use(id, signal, async (path) => {
    const file = await open(path);
    try {
      const frameBytes = width * height * 3;
      const { size } = await file.stat();
      if (size % frameBytes !== 0) throw badClip(`frames of ${width}x${height}`, `${size} bytes`);
      const { begin, end } = decodeFrameRange(range, { frames: size / frameBytes });
      const pixels = new Uint8Array((end - begin) * frameBytes);
      const { bytesRead } = await file.read(pixels, 0, pixels.length, begin * frameBytes);
      if (bytesRead !== pixels.length) throw badClip(`${pixels.length} bytes`, `${bytesRead}`);
      return { pixels, frames: end - begin, height, width };
    } finally {
      await file.close();
    }
  });
}

function badClip(expected: string, got: string): RetakeError {
  const message = `clip: expected ${expected}, got ${got}`;
  return new RetakeError(Code.InvalidArgument, "bad-message", message);
}

/**
 * The moments of a whole clip, from parts of it in the order of its frames.
 *
 * @returns  also a hash of the values, the same for every division into parts
 */
export async function readMoments(
  { artifacts, signal }: InputSource,
  momentsIds: readonly string[],
): Promise<ClipMoments & { readonly hash: string }> {
  if (momentsIds.length === 0) throw badMessage("moments", { expected: "some", got: "none" });
  const means: HostTensor[] = [];
  const logVariances: HostTensor[] = [];
  for (const momentsId of momentsIds) {
    const id = decodeArtifactId(momentsId, { subject: "moments" });
    const read = (path: string) => readTensors(path, ["mean", "log_variance"]);
    const { mean, log_variance: logVariance } = await artifacts.use(id, signal, read);
    if (String(mean.shape) !== String(logVariance.shape)) {
      const message = `moments: expected [${mean.shape}] twice, got [${logVariance.shape}]`;
      throw new RetakeError(Code.InvalidArgument, "tensor-shape", message);
    }
    means.push(mean);
    logVariances.push(logVariance);
  }
  const [mean, logVariance] = [joinedFrames(means), joinedFrames(logVariances)];
  const hash = createHash("sha256");
  for (const { data } of [mean, logVariance]) hash.update(data);
  return { mean, logVariance, hash: hash.digest("hex") };
}

/** Parts of latents one after the other, `[1, channels, frames, height, width]` each. */
function joinedFrames(parts: readonly HostTensor[]): HostTensor {
  const [first, ...more] = parts;
  if (first === undefined) throw new Error("expected parts to join");
  const { channels, height, width } = latentSizes(first);
  if (more.length === 0) return first;
  const cells = height * width;
  const counts = parts.map((part) => {
    const sizes = latentSizes(part);
    if (sizes.channels === channels && sizes.height === height && sizes.width === width) {
      return sizes.frames;
    }
    const message = `moments: expected frames like [${first.shape}], got [${part.shape}]`;
    throw new RetakeError(Code.InvalidArgument, "tensor-shape", message);
  });
  const frames = counts.reduce((sum, count) => sum + count, 0);
  const data = new Float32Array(channels * frames * cells);
  let begin = 0;
  for (const [index, part] of parts.entries()) {
    const size = (counts[index] ?? 0) * cells;
    for (let channel = 0; channel < channels; channel += 1) {
      const values = float32Values(part).subarray(channel * size, (channel + 1) * size);
      data.set(values, channel * frames * cells + begin);
    }
    begin += size;
  }
  return hostTensor([1, channels, frames, height, width], data);
}

export async function readLatents(
  { artifacts, signal }: InputSource,
  latentsId: string,
): Promise<HostTensor> {
  const id = decodeArtifactId(latentsId, { subject: "latents" });
  const { latents } = await artifacts.use(id, signal, (path) => readTensors(path, ["latents"]));
  latentSizes(latents);
  return latents;
}

/** What an interrupted task had done; undefined if it begins. */
export async function readLatentsDone(
  source: InputSource,
  resume: LatentsAt | undefined,
): Promise<LatentsDone | undefined> {
  if (resume === undefined) return undefined;
  return { done: resume.done, latents: await readLatents(source, resume.latentsId) };
}

/** The tensors of the network: as it starts, and what a delta changes; none if it was not tuned. */
export async function readNetwork(
  { artifacts, signal }: InputSource,
  model: Model,
  tuned: { readonly deltaId: string; readonly settings: SamplingSettings },
): Promise<HostTensors> {
  const { seed, temporalStart } = tuned.settings;
  const start = await startTensors(model.files, { seed, temporalStart });
  if (tuned.deltaId === "") return start;
  const id = decodeArtifactId(tuned.deltaId, { subject: "delta" });
  const { tensors } = await artifacts.use(id, signal, (path) => openDelta(path, model.files));
  return { ...start, ...tensors };
}

/** Some frames of latents, `[1, channels, frames, height, width]`. */
export function latentsOfFrames(latents: HostTensor, range: FrameRange | undefined): HostTensor {
  const { channels, frames, height, width } = latentSizes(latents);
  const { begin, end } = decodeFrameRange(range, { frames });
  const cells = height * width;
  const data = new Float32Array(channels * (end - begin) * cells);
  for (let channel = 0; channel < channels; channel += 1) {
    const from = (channel * frames + begin) * cells;
    const part = latents.data.subarray(from, from + (end - begin) * cells);
    data.set(part, channel * (end - begin) * cells);
  }
  return hostTensor([1, channels, end - begin, height, width], data);
}
