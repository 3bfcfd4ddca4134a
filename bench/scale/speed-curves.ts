import sharp from "sharp";

export interface Panel {
  readonly title: string;
  /** What stands below it. */
  readonly subtitle: string;
  readonly curves: readonly {
    readonly name: string;
    readonly points: readonly { readonly nodes: number; readonly speed: number }[];
  }[];
}

const size = { width: 400, height: 350, left: 52, right: 24, top: 58, bottom: 44 } as const;
const colours = ["#c0392b", "#d68910", "#1e8449", "#1f6fb2"] as const;
const marks = [1, 4, 8, 64, 1000] as const;
const speedMarks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] as const;

/** Both axes are logarithmic: what is twice as much is always as far. */
function panelOf(
  { title, subtitle, curves }: Panel,
  { left, top, most }: { left: number; top: number; most: number },
): string {
  const [width, height] = [
    size.width - size.left - size.right,
    size.height - size.top - size.bottom,
  ];
  const x = (nodes: number): string =>
    (size.left + (width * Math.log(nodes)) / Math.log(1000)).toFixed(1);
  const y = (speed: number): string =>
    (size.top + height - (height * Math.log(Math.max(1, speed))) / Math.log(most)).toFixed(1);
  const [begin, end] = [size.left, size.width - size.right];
  const rows = speedMarks
    .filter((mark) => mark <= most)
    .map(
      (mark) => `<line x1="${begin}" x2="${end}" y1="${y(mark)}" y2="${y(mark)}" stroke="#ddd"/>
        <text x="${begin - 6}" y="${Number(y(mark)) + 4}" text-anchor="end">${mark}x</text>`,
    );
  const bottom = size.height - size.bottom;
  const columns = marks.map(
    (mark) => `<line x1="${x(mark)}" x2="${x(mark)}" y1="${size.top}" y2="${bottom}"
      stroke="#ddd"/><text x="${x(mark)}" y="${bottom + 17}" text-anchor="middle">${mark}</text>`,
  );
  const lines = curves.map(({ points }, at) => {
    const path = points.map(({ nodes, speed }) => `${x(nodes)},${y(speed)}`).join(" ");
    const dots = points.map(
      ({ nodes, speed }) =>
        `<circle cx="${x(nodes)}" cy="${y(speed)}" r="2.6" fill="${colours[at]}"/>`,
    );
    const stroke = `stroke="${colours[at]}" stroke-width="2"`;
    return `<polyline points="${path}" fill="none" ${stroke}/>${dots.join("")}`;
  });
  const ideal = `<line x1="${x(1)}" y1="${y(1)}" x2="${x(most)}" y2="${y(most)}" stroke="#888"
    stroke-dasharray="4 4"/>`;
  return `<g transform="translate(${left} ${top})">
    <text x="${size.left}" y="26" font-weight="bold" font-size="14">${title}</text>
    <text x="${size.left}" y="45">${subtitle}; on most nodes: ${lastOf(curves)}</text>
    ${rows.join("")}${columns.join("")}${ideal}${lines.join("")}
    <text x="${(begin + end) / 2}" y="${bottom + 35}" text-anchor="middle">nodes</text></g>`;
}

/** How many times as fast each curve is at its end, in its colour. */
function lastOf(curves: Panel["curves"]): string {
  const texts = curves.map(({ points }, at) => {
    const speed = points.at(-1)?.speed ?? 1;
    return `<tspan fill="${colours[at]}">${speed.toFixed(speed < 10 ? 1 : 0)}x</tspan>`;
  });
  return texts.join(" ");
}

function legendOf(names: readonly string[]): string {
  const entries = names.map((name, at) => {
    const left = size.left + at * 105;
    return `<line x1="${left}" x2="${left + 26}" y1="18" y2="18" stroke="${colours[at]}"
      stroke-width="3"/><text x="${left + 32}" y="22">${name}</text>`;
  });
  const left = size.left + names.length * 105;
  return `${entries.join("")}<line x1="${left}" x2="${left + 26}" y1="18" y2="18" stroke="#888"
    stroke-dasharray="4 4"/><text x="${left + 32}" y="22">as many times as nodes</text>`;
}

/** Draws how many times as fast edits are on more nodes, a panel for each, so many in a row. */
export async function drawSpeedCurves(
  path: string,
  panels: readonly Panel[],
  { inRow }: { readonly inRow: number },
): Promise<void> {
  const legendHeight = 36;
  const speeds = panels.flatMap(({ curves }) =>
    curves.flatMap(({ points }) => points.map(({ speed }) => speed)),
  );
  const fastest = Math.max(...speeds);
  const most = speedMarks.find((mark) => mark >= fastest) ?? fastest;
  const drawn = panels.map((panel, at) =>
    panelOf(panel, {
      most,
      left: (at % inRow) * size.width,
      top: legendHeight + Math.floor(at / inRow) * size.height,
    }),
  );
  const height = legendHeight + Math.ceil(panels.length / inRow) * size.height;
  const names = panels[0]?.curves.map(({ name }) => name) ?? [];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${inRow * size.width}"
    height="${height}" font-family="sans-serif" font-size="12" fill="#222">
    <rect width="100%" height="100%" fill="white"/>${legendOf(names)}${drawn.join("\n")}</svg>`;
  await sharp(Buffer.from(svg)).png({ palette: true }).toFile(path);
}
