import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import type { Rgb, Sprite } from "./canvas.js";
import type { Colour, Subject } from "./vocabulary.js";

/** The side of a sprite's square box, in units of the grid: seven cells of a VAE of factor four. */
export const spriteSide = 28;

/** Names in the icon set. All face left. */
const icons: Readonly<Record<Subject, string>> = {
  cat: "cat",
  rabbit: "rabbit",
  horse: "horse",
  elephant: "elephant",
  penguin: "penguin",
  pig: "pig",
  car: "automobile",
  dinosaur: "t-rex",
  robot: "robot",
  duck: "duck",
  cow: "cow",
  tiger: "tiger",
};

const tints: Readonly<Record<Colour, Rgb>> = {
  red: [222, 44, 52],
  blue: [52, 104, 232],
  green: [34, 160, 68],
  purple: [150, 62, 214],
  golden: [250, 200, 40],
};

interface IconSet {
  readonly icons: Readonly<Record<string, { readonly body: string } | undefined>>;
}

const { icons: bodies }: IconSet = createRequire(import.meta.url)(
  "@iconify-json/fluent-emoji-flat/icons.json",
);

/** Icons are drawn so wide first, then cut to what is drawn on and shrunk by means of areas. */
const iconPixels = 512;

/** Figures without a tint, by icon and size: there are some hundreds. */
const kept = new Map<string, Sprite>();

/** A picture of the icon set, in shades of a tint or in its own colours. */
export interface Figure {
  readonly icon: string;
  readonly tint: Rgb | null;
}

export const figureOf = (subject: Subject, colour: Colour | null): Figure => ({
  icon: icons[subject],
  tint: colour === null ? null : tints[colour],
});

/**
 * A figure as large as fits the square box, standing on its lower edge.
 *
 * @param boxSamples  the box's side in samples of the canvas
 */
export function spriteOf({ icon, tint }: Figure, boxSamples: number): Sprite {
  const key = `${icon} ${boxSamples}`;
  const plain = kept.get(key) ?? fitted(drawnIcon(icon), boxSamples);
  kept.set(key, plain);
  return tint === null ? plain : tinted(plain, tint);
}

/** The part of an icon that is drawn on, at full size. */
function drawnIcon(name: string): Sprite {
  const body = bodies[name]?.body;
  if (body === undefined) throw new Error(`icon ${name}: expected it in fluent-emoji-flat`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${body}</svg>`;
  const image = new Resvg(svg, { fitTo: { mode: "width", value: iconPixels } }).render();
  const { pixels } = image;
  const samples = new Float32Array(pixels.length);
  for (let at = 0; at < samples.length; at += 1) samples[at] = (pixels[at] ?? 0) / 255;
  return cropped({ width: image.width, height: image.height, samples });
}

function cropped({ width, height, samples }: Sprite): Sprite {
  const box = { left: width, right: 0, top: height, bottom: 0 };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if ((samples[(y * width + x) * 4 + 3] ?? 0) === 0) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
    }
  }
  const cut = { width: box.right - box.left, height: box.bottom - box.top };
  const kept = new Float32Array(cut.width * cut.height * 4);
  for (let y = 0; y < cut.height; y += 1) {
    const from = ((y + box.top) * width + box.left) * 4;
    kept.set(samples.subarray(from, from + cut.width * 4), y * cut.width * 4);
  }
  return { ...cut, samples: kept };
}

/** Shrinks a sprite until it fits a square, each sample the mean of the area that it covers. */
function fitted(sprite: Sprite, boxSamples: number): Sprite {
  const ratio = boxSamples / Math.max(sprite.width, sprite.height);
  const width = Math.max(1, Math.round(sprite.width * ratio));
  const height = Math.max(1, Math.round(sprite.height * ratio));
  const samples = new Float32Array(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    const rows = [Math.floor((y * sprite.height) / height), ((y + 1) * sprite.height) / height];
    for (let x = 0; x < width; x += 1) {
      const columns = [Math.floor((x * sprite.width) / width), ((x + 1) * sprite.width) / width];
      const mean = areaMean(sprite, { rows, columns });
      samples.set(mean, (y * width + x) * 4);
    }
  }
  return { width, height, samples };
}

function areaMean(
  { width, samples }: Sprite,
  area: { readonly rows: readonly number[]; readonly columns: readonly number[] },
): readonly number[] {
  const [top = 0, bottom = 0] = area.rows;
  const [left = 0, right = 0] = area.columns;
  const sum = [0, 0, 0, 0];
  let count = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      for (let channel = 0; channel < 4; channel += 1) {
        sum[channel] = (sum[channel] ?? 0) + (samples[(y * width + x) * 4 + channel] ?? 0);
      }
      count += 1;
    }
  }
  return sum.map((value) => value / count);
}

/** Each sample in shades of one colour, dark where it was dark and light where it was light. */
function tinted(sprite: Sprite, tint: Rgb): Sprite {
  const samples = sprite.samples.slice();
  for (let at = 0; at < samples.length; at += 4) {
    const [red = 0, green = 0, blue = 0, opacity = 0] = samples.subarray(at, at + 4);
    if (opacity === 0) continue;
    const light = (0.3 * red + 0.59 * green + 0.11 * blue) / opacity;
    for (const [channel, value] of tint.entries()) {
      const shade = (value / 255) * (0.42 + 0.58 * light) + 0.25 * light * light;
      samples[at + channel] = Math.min(1, shade) * opacity;
    }
  }
  return { ...sprite, samples };
}
