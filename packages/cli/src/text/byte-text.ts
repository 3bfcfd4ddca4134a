import { badOption } from "@retake/coordinator/settings";

const units = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes as people say them: `812 B`, `3.4 MB`. */
export function byteText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** Reads `500M`, `10GB` or `1e9`. */
export function bytesOfText(text: string, { label }: { readonly label: string }): number {
  const match = /^(\d{1,15}(?:\.\d{1,3})?)([kMGT]?)B?$/i.exec(text);
  const power = ["", "k", "m", "g", "t"].indexOf((match?.[2] ?? "").toLowerCase());
  if (match === null || power < 0)
    throw badOption(label, { expected: "a size such as 500M or 10G", got: text });
  return Number(match[1]) * 1000 ** power;
}

/** Reads `90s`, `15m`, `12h`, `30d` or `6w` as milliseconds. */
export function ageOfText(text: string, { label }: { readonly label: string }): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)([smhdw])$/.exec(text);
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[match?.[2] ?? ""];
  if (match === null || seconds === undefined)
    throw badOption(label, { expected: "an age such as 12h or 30d", got: text });
  return Number(match[1]) * seconds * 1000;
}
