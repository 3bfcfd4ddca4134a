import sharp from "sharp";

/** Pixels from the top to the bottom of a strip. */
export const labelStripHeight = 24;
const fontSize = 14;
/** Room that an average letter of a sans-serif font takes, as a part of the font's size. */
const letterWidth = 0.58;
const background = 0x16;
const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });
let fonts: Promise<boolean> | undefined;

/**
 * A line of text as a dark strip, `[labelStripHeight, width, 3]`, RGB. Text that is too long ends
 * in an ellipsis. Without fonts on the machine the strip stays empty: no label is worth a failure.
 */
export async function labelStrip(text: string, width: number): Promise<Uint8Array> {
  fonts ??= hasFonts();
  return await drawn((await fonts) ? shortened(text, width) : "", width);
}

/** Without fonts every letter is drawn as the same empty box. */
async function hasFonts(): Promise<boolean> {
  const [one, other] = await Promise.all([drawn("a", 32), drawn("W", 32)]);
  return Buffer.compare(one, other) !== 0;
}

async function drawn(line: string, width: number): Promise<Uint8Array> {
  const box = `width="${width}" height="${labelStripHeight}"`;
  const font = `font-family="DejaVu Sans, Arial, sans-serif" font-size="${fontSize}" fill="#eee"`;
  const grey = `rgb(${background},${background},${background})`;
  const picture = `<rect ${box} fill="${grey}"/><text x="6" y="17" ${font}>${escaped(line)}</text>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" ${box}>${picture}</svg>`;
  const bytes = labelStripHeight * width * 3;
  try {
    const strip = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer();
    if (strip.length === bytes) return strip;
  } catch {
    // No renderer on this machine: an empty strip says as much as is possible.
  }
  return new Uint8Array(bytes).fill(background);
}

function shortened(text: string, width: number): string {
  // What lies beyond this cannot be seen, however narrow its letters are.
  const line = text.slice(0, width).normalize("NFC").replace(/\s+/gu, " ").trim();
  const seen = Array.from(letters.segment(line), ({ segment }) => segment);
  const room = Math.max(1, Math.floor((width - 12) / (fontSize * letterWidth)));
  return seen.length <= room ? line : `${seen.slice(0, room - 1).join("")}…`;
}

/** What stands for itself in XML; characters that XML does not allow are left out. */
function escaped(text: string): string {
  const allowed = text.replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]/gu, "");
  const names: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return allowed.replace(/[&<>"]/g, (letter) => `&${names[letter]};`);
}
