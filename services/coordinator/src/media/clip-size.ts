import { Code, RetakeError } from "@retake/errors";
import { limits } from "./limits.js";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The largest size of the source's shape with at most `pixelsMax` pixels and sides that are
 * multiples of 8. Small sources are scaled up: a model works best near the size it was trained at.
 */
export function fitSize(source: Size & { readonly pixelAspect?: number }, pixelsMax: number): Size {
  const { clipSideMultiple: multiple, clipSideMax } = limits;
  const shape = (source.width * (source.pixelAspect ?? 1)) / source.height;
  const longest = Math.min(clipSideMax, pixelsMax / multiple);
  const sideMax = Math.floor(longest / multiple) * multiple;
  let best: Size = { width: multiple, height: multiple };
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let height = multiple; height <= sideMax; height += multiple) {
    const across = Math.round((height * shape) / multiple) * multiple;
    const width = Math.min(Math.max(across, multiple), sideMax);
    if (width * height > pixelsMax) continue;
    const off = Math.abs(Math.log(width / height / shape));
    const score = Math.log(width * height) - 4 * off;
    if (score > bestScore) [best, bestScore] = [{ width, height }, score];
  }
  return best;
}

/**
 * Checks a size that a clip is to have.
 *
 * @throws RetakeError frame-size, naming the nearest size that is one
 */
export function assertClipSize(size: Size): void {
  for (const axis of ["width", "height"] as const) {
    const side = size[axis];
    if (Number.isInteger(side) && side === nearestSide(side)) continue;
    const { clipSideMultiple: multiple, clipSideMax: max } = limits;
    const expected = `a multiple of ${multiple} from ${multiple} to ${max}`;
    const nearest = `the nearest is ${nearestSide(side)}`;
    const message = `${axis}: expected ${expected}, got ${side}; ${nearest}`;
    throw new RetakeError(Code.InvalidArgument, "frame-size", message);
  }
}

function nearestSide(side: number): number {
  const { clipSideMultiple: multiple, clipSideMax: max } = limits;
  const near = Math.round((Number.isFinite(side) ? side : 512) / multiple) * multiple;
  return Math.min(Math.max(near, multiple), max);
}
