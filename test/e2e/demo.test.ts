import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWorkplace, demoClip, demoModel, retake, type Workplace } from "./retake-process.js";

const side = 64;
const frames = 8;

/** A pixel's colours, 0...255. */
interface Pixel {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
}
type Where = "subject" | "background";

/** A video's frames as the model sees them. */
async function pixelsOf(path: string): Promise<Uint8Array> {
  const to = ["-vf", `scale=${side}:${side}`, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"];
  const options = { encoding: "buffer", maxBuffer: 1e8 } as const;
  const { stdout } = await promisify(execFile)(
    "ffmpeg",
    ["-v", "error", "-i", path, ...to],
    options,
  );
  return stdout;
}

/** The middle of the subject in each frame: `tracks.json` has its bottom centre. */
async function track(): Promise<readonly (readonly [number, number])[]> {
  const text = await readFile(join(demoModel, "clips/tracks.json"), "utf8");
  const [clip]: { track: [number, number][]; sprite_px: number }[] = JSON.parse(text);
  return (clip?.track ?? []).map(([x, y]) => [x, y - (clip?.sprite_px ?? 0) / 2] as const);
}

/** The share of pixels of the subject's box, or of what is far from it, that are as asked. */
function share(
  pixels: Uint8Array,
  middles: readonly (readonly [number, number])[],
  ask: { readonly where: Where; readonly is: (pixel: Pixel, index: number) => boolean },
): number {
  let asked = 0;
  let counted = 0;
  for (let index = 0; index < frames * side * side; index += 1) {
    const [x, y] = [index % side, Math.floor(index / side) % side];
    const [atX, atY] = middles[Math.floor(index / side ** 2)] ?? [0, 0];
    const distance = Math.max(Math.abs(x - atX), Math.abs(y - atY));
    if (ask.where === "subject" ? distance > 10 : distance < 20) continue;
    const [red = 0, green = 0, blue = 0] = pixels.subarray(index * 3, index * 3 + 3);
    counted += 1;
    if (ask.is({ red, green, blue }, index)) asked += 1;
  }
  return asked / counted;
}

/** As red as the car. */
const isRed = ({ red, green, blue }: Pixel): boolean => red > 180 && green < 100 && blue < 100;
/** As brown as the horse. */
const isBrown = ({ red, green, blue }: Pixel): boolean =>
  red > 90 && red < 190 && red > green + 20 && green > blue;
/** As warm as the desert, its sky included. */
const isWarm = ({ red, blue }: Pixel): boolean => red > blue + 40;

describe("retake demo", () => {
  let workplace: Workplace;
  let middles: readonly (readonly [number, number])[];
  let videos: Readonly<Record<"source" | "horse" | "desert", Uint8Array>>;

  beforeAll(async () => {
    workplace = await createWorkplace();
    const end = await retake(workplace, ["demo"]);
    const out = join(workplace.path, "out/demo");
    expect([end.code, end.err]).toEqual([0, expect.stringContaining(`look at ${out}`)]);
    middles = await track();
    videos = {
      source: await pixelsOf(demoClip),
      horse: await pixelsOf(join(out, "1-a-horse-is-running-on-the-grass.mp4")),
      desert: await pixelsOf(join(out, "2-a-car-is-running-in-the-desert.mp4")),
    };
  });
  afterAll(() => workplace.remove());

  it("puts a horse where the car was, and leaves the rest", () => {
    const subject = (pixels: Uint8Array, is: typeof isRed): number =>
      share(pixels, middles, { where: "subject", is });
    expect(subject(videos.source, isRed)).toBeGreaterThan(0.25);
    expect(subject(videos.horse, isRed)).toBeLessThan(0.01);
    expect(subject(videos.horse, isBrown)).toBeGreaterThan(0.15);
    const isKept = ({ red, green, blue }: Pixel, index: number): boolean => {
      const [r = 0, g = 0, b = 0] = videos.source.subarray(index * 3, index * 3 + 3);
      return Math.max(Math.abs(red - r), Math.abs(green - g), Math.abs(blue - b)) < 40;
    };
    expect(share(videos.horse, middles, { where: "background", is: isKept })).toBeGreaterThan(0.9);
  });

  it("puts the car into the desert, and moves it as before", () => {
    const background = (pixels: Uint8Array): number =>
      share(pixels, middles, { where: "background", is: isWarm });
    expect(background(videos.source)).toBeLessThan(0.05);
    expect(background(videos.desert)).toBeGreaterThan(0.9);
    expect(share(videos.desert, middles, { where: "subject", is: isRed })).toBeGreaterThan(0.2);
  });
});
