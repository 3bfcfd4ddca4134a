import type { Size } from "../media/clip-size.js";
import type { ClipStart } from "../media/frame-choice.js";

/** `12` is a frame, `1.5s` a moment. */
export function clipStartOf(text: string): ClipStart {
  if (text.endsWith("s")) return { seconds: Number(text.slice(0, -1)) };
  return { frame: Number(text) };
}

/** `512x320` is width and height. */
export function clipSizeOf(text: string): Size {
  const [width = "", height = ""] = text.split("x");
  return { width: Number(width), height: Number(height) };
}
