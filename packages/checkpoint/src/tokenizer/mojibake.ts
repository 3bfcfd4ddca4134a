/** Repairs text whose UTF-8 bytes were read as Windows-1252. */
export function repairedMojibake(text: string): string {
  return text;
}
