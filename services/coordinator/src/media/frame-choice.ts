import { Code, RetakeError } from "@retake/errors";
import type { Size } from "./clip-size.js";
import { limits } from "./limits.js";
import type { VideoInfo } from "./probe-output.js";

/** Where the clip begins: at a frame, counted from 0 in the order they are shown, or a time. */
export type ClipStart = { readonly frame: number } | { readonly seconds: number };

/** How the source's shape becomes the clip's. */
export type Fit = "crop" | "letterbox" | "stretch";

export interface FrameChoice {
  readonly start: ClipStart;
  readonly stride: number;
  readonly frames: number;
}

/** @throws RetakeError bad-option  when a number of the choice is not one that can be chosen */
export function assertFrameChoice({ start, stride, frames }: FrameChoice): void {
  const first = "frame" in start ? start.frame : 0;
  const startS = "seconds" in start ? start.seconds : 0;
  const { clipFramesMax: framesMax, countedFramesMax: startMax } = limits;
  assertWhole("start", first, { min: 0, max: startMax });
  assertWhole("stride", stride, { min: 1, max: startMax });
  assertWhole("frames", frames, { min: 1, max: framesMax });
  if (!(startS >= 0 && startS <= 1e6)) {
    throw badOption(`start: expected 0 to 1000000 seconds, got ${startS}`);
  }
}

/** ffmpeg's filters that pick the frames and bring them to the clip's size as RGB. */
export function filterChain(
  source: Pick<VideoInfo, "width" | "height" | "pixelAspect">,
  choice: FrameChoice,
  shape: Size & { readonly fit: Fit },
): string {
  const first = "frame" in choice.start ? choice.start.frame : 0;
  const select = `select='gte(n,${first})*not(mod(n-${first},${choice.stride}))'`;
  return [select, ...fitFilters(source, shape), "format=rgb24"].join(",");
}

function fitFilters(
  source: Pick<VideoInfo, "width" | "height" | "pixelAspect">,
  { width, height, fit }: Size & { readonly fit: Fit },
): string[] {
  const scale = (to: Size): string => `scale=${to.width}:${to.height}:flags=bicubic`;
  if (fit === "stretch") return [scale({ width, height })];
  const across = (source.width * source.pixelAspect) / source.height;
  const wider = across > width / height;
  if (fit === "crop") {
    // Cropped before scaling: scaling first could make a wide picture wider without bound.
    const kept = wider ? width / height / across : across / (width / height);
    const box = {
      width: wider ? even(source.width * kept) : source.width,
      height: wider ? source.height : even(source.height * kept),
    };
    const crop = `crop=${box.width}:${box.height}`;
    return [crop, scale({ width, height })];
  }
  const inner = {
    width: wider ? width : Math.min(even(height * across), width),
    height: wider ? Math.min(even(width / across), height) : height,
  };
  // RGB before the bars, so that a bar may begin at any pixel.
  const bars = `pad=${width}:${height}:(ow-iw)/2:(oh-ih)/2:black`;
  return [scale(inner), "format=rgb24", bars];
}

/**
 * The error for a video that ends too early: how many frames there are and what would fit.
 *
 * @param available  frames counted from the start of the file, or from `start.seconds`
 */
export function tooFewFrames(path: string, choice: FrameChoice, available: number): RetakeError {
  const { start, stride, frames } = choice;
  const first = "frame" in start ? start.frame : 0;
  const from = "frame" in start ? `frame ${first}` : `${start.seconds} s`;
  const needed = first + (frames - 1) * stride + 1;
  const wanted = `${frames} frames from ${from} with stride ${stride}, which takes ${needed}`;
  const there = "frame" in start ? `${available}` : `${available} after ${from}`;
  const fits = whatFits(choice, first, available);
  const message = `${path}: expected ${wanted}, got ${there}; ${fits}`;
  return new RetakeError(Code.InvalidArgument, "too-few-frames", message);
}

function whatFits(
  { stride, frames, start }: FrameChoice,
  first: number,
  available: number,
): string {
  if (available <= first) {
    return "frame" in start && available > 0
      ? `start at frame ${Math.max(available - frames, 0)} or before`
      : "start earlier";
  }
  const fewer = `ask for ${Math.ceil((available - first) / stride)} frames`;
  const closer = frames > 1 ? Math.floor((available - first - 1) / (frames - 1)) : 0;
  return closer >= 1 ? `${fewer}, or for stride ${closer}` : fewer;
}

function assertWhole(name: string, value: number, range: { min: number; max: number }): void {
  if (Number.isInteger(value) && value >= range.min && value <= range.max) return;
  throw badOption(
    `${name}: expected a whole number from ${range.min} to ${range.max}, got ${value}`,
  );
}

function badOption(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "bad-option", message);
}

function even(value: number): number {
  return Math.max(2, Math.round(value / 2) * 2);
}
