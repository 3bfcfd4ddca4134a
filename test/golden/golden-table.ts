import { isWithin, type Measured, type Row } from "./measurement.js";

const widths = { name: 58, quantity: 38 };

/** One line of the table: case, quantity, error, tolerance, their ratio, and the verdict. */
export function tableLine(row: Row): string {
  const name = `${row.group} ${row.name}`.padEnd(widths.name);
  if (row.kind === "skipped") return `${name} skipped: ${row.reason}`;
  const quantity = row.quantity.padEnd(widths.quantity);
  const error = row.error.toExponential(1).padStart(8);
  const tolerance = row.tolerance.toExponential(0).padStart(7);
  const verdict = isWithin(row) ? "pass" : "FAIL";
  const detail = row.detail === undefined ? "" : `  ${row.detail}`;
  return `${name} ${quantity} ${error} /${tolerance} = ${ratioText(row)}  ${verdict}${detail}`;
}

/** The table's head, above `tableLine`s. */
export function tableHead(): string {
  const name = "case".padEnd(widths.name);
  const quantity = "quantity".padEnd(widths.quantity);
  return `${name} ${quantity}    error / toler. = ratio`;
}

/** The last line: how many comparisons are within tolerance. */
export function summaryLine(rows: readonly Row[]): string {
  const measured = rows.filter((row) => row.kind === "measured");
  const within = measured.filter(isWithin).length;
  return `${within} of ${measured.length} within tolerance`;
}

function ratioText({ error, tolerance }: Measured): string {
  const ratio = tolerance > 0 ? error / tolerance : error === 0 ? 0 : Number.POSITIVE_INFINITY;
  const text =
    ratio >= 1000 || (ratio > 0 && ratio < 0.001) ? ratio.toExponential(0) : ratio.toFixed(3);
  return text.padStart(6);
}
