import { readFile, writeFile } from "node:fs/promises";
import { runCommand } from "../test/run-command.js";
import { loadNow, machineText } from "./machine.js";
import { resultsFile } from "./places.js";

/** One measured thing. */
export interface Row {
  /** One text per column. */
  readonly cells: readonly string[];
  /** Whether the bound is met; undefined where there is none. */
  readonly isMet?: boolean | undefined;
}

/** What a bench found. */
export interface Report {
  /** `bench:unet`, maybe with what was chosen: one section of the results. */
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  /** How it was measured, and what else is worth knowing. */
  readonly notes: readonly string[];
  /** Versions of what it was compared with. */
  readonly versions?: readonly string[];
}

const resultsHead = `# Results

Each section is the last run of its command with \`--record\`. A bound is the largest value that the
project accepts; a row without one is told, not judged. Times are minima over processes.
`;

const loadAtStart = loadNow();

/** A bound as a cell. */
export function atMost(bound: number, unit = ""): string {
  return `<= ${bound}${unit === "" ? "" : ` ${unit}`}`;
}

function verdictOf({ isMet }: Row): string {
  return isMet === undefined ? "" : isMet ? "PASS" : "MISS";
}

/** A table that reads well in a terminal, and is Markdown. */
export function renderTable(columns: readonly string[], rows: readonly Row[]): string {
  const head = [...columns, ""];
  const body = rows.map((row) => [...row.cells, verdictOf(row)]);
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...body.map((cells) => (cells[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(head), rule, ...body.map(line)].join("\n");
}

function renderSection(report: Report): string {
  const when = new Date().toISOString().slice(0, 16).replace("T", " ");
  const load = `load average at the start ${loadAtStart.toFixed(2)}`;
  return [
    `## ${report.title}`,
    "",
    `${when} UTC; ${machineText(report.versions)}; ${load}.`,
    "",
    renderTable(report.columns, report.rows),
    "",
    ...report.notes.map((note) => `- ${note}`),
  ].join("\n");
}

/** Puts a section into a page, in the place of the one with the same title. */
function withSection(page: string, section: string): string {
  const [title] = section.split("\n", 1);
  const [head = "", ...sections] = page.split(/^(?=## )/m);
  const at = sections.findIndex((other) => other.split("\n", 1)[0] === title);
  const kept = sections.map((other) => other.trimEnd());
  if (at >= 0) kept[at] = section.trimEnd();
  else kept.push(section.trimEnd());
  return `${[head.trimEnd(), ...kept].join("\n\n")}\n`;
}

/**
 * Prints a report, and records it if asked to.
 *
 * @returns  whether every bound is met
 */
export async function publishReport(
  report: Report,
  { record }: { readonly record: boolean },
): Promise<boolean> {
  const section = renderSection(report);
  console.log(`\n${section}`);
  if (record) {
    const page = await readFile(resultsFile, "utf8").catch(() => resultsHead);
    await writeFile(resultsFile, withSection(page, section));
  }
  return report.rows.every(({ isMet }) => isMet !== false);
}

/**
 * Runs a bench: its exit code says whether every bound is met (0), one missed (1), or it failed
 * (2).
 */
export async function runBench(main: () => Promise<boolean>, usage: string): Promise<void> {
  await runCommand({ name: "bench", usage }, async () => ((await main()) ? 0 : 1));
}
