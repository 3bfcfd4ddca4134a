import sharp from "sharp";
import { type PhaseName, phaseNames } from "./recipe.js";

const panel = { width: 420, height: 240, margin: 44 } as const;
const pointsMax = 400;

/** Points of a curve, each the mean of so many steps in a row. */
function meansOf(losses: readonly number[]): { readonly step: number; readonly mean: number }[] {
  const each = Math.max(1, Math.ceil(losses.length / pointsMax));
  return Array.from({ length: Math.floor(losses.length / each) }, (_, i) => {
    const part = losses.slice(i * each, (i + 1) * each);
    return { step: (i + 0.5) * each, mean: part.reduce((a, b) => a + b, 0) / part.length };
  });
}

function panelOf(phase: PhaseName, losses: readonly number[], left: number): string {
  const { width, height, margin } = panel;
  const points = meansOf(losses);
  const logs = points.map(({ mean }) => Math.log10(Math.max(mean, 1e-9)));
  const [low, high] = [Math.min(...logs, 0), Math.max(...logs, -3)];
  const x = (step: number): number => margin + ((width - 1.5 * margin) * step) / losses.length;
  const y = (log: number): number =>
    height - margin - ((height - 2 * margin) * (log - low)) / (high - low || 1);
  const line = points.map(({ step }, i) => `${x(step).toFixed(1)},${y(logs[i] ?? 0).toFixed(1)}`);
  const label = (at: number, log: number): string =>
    `<text x="${margin - 4}" y="${at}" text-anchor="end">${(10 ** log).toPrecision(2)}</text>`;
  const last = points.at(-1)?.mean.toPrecision(3) ?? "no steps yet";
  return `<g transform="translate(${left} 0)">
    <rect x="${margin}" y="${margin}" width="${width - 1.5 * margin}"
      height="${height - 2 * margin}" fill="#f6f6f4" stroke="#999"/>
    <polyline points="${line.join(" ")}" fill="none" stroke="#1f6fb2" stroke-width="1.5"/>
    ${label(margin + 4, high)}${label(height - margin + 4, low)}
    <text x="${margin}" y="${margin - 10}" font-weight="bold">${phase}: loss ${last}</text>
    <text x="${margin}" y="${height - margin + 18}">${losses.length} steps</text>
  </g>`;
}

/** Draws the loss of each phase that has begun, on a logarithmic scale, side by side. */
export async function drawLossCurves(
  path: string,
  losses: ReadonlyMap<PhaseName, readonly number[]>,
): Promise<void> {
  const begun = phaseNames.filter((phase) => (losses.get(phase)?.length ?? 0) > 0);
  const panels = begun.map((phase, i) => panelOf(phase, losses.get(phase) ?? [], i * panel.width));
  const width = panel.width * Math.max(1, begun.length);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${panel.height}"
    font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>
    ${panels.join("\n")}</svg>`;
  await sharp(Buffer.from(svg)).png().toFile(path);
}
