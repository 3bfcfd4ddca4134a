/** One to four changes: bits, bytes, extreme numbers, blocks that are gone, doubled or moved. */
export function mutated(original: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(original);
  const below = (limit: number): number => Math.floor(random() * Math.max(1, limit));
  // Half of the changes hit the first kilobyte, where headers are.
  const place = (): number => below(random() < 0.5 ? Math.min(1024, bytes.length) : bytes.length);
  const extremes = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xffff, 20_000, 0x100];
  const changes: readonly (() => void)[] = [
    () => {
      for (let count = 1 + below(32); count > 0; count--) bytes[place()] = below(256);
    },
    () => {
      const at = place();
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
    },
    () => {
      const at = Math.min(place(), Math.max(0, bytes.length - 4));
      const value = extremes[below(extremes.length)] ?? 0;
      if (bytes.length < 4) return;
      if (random() < 0.5) bytes.writeUInt32BE(value, at);
      else bytes.writeUInt32LE(value, at);
    },
    () => {
      bytes = bytes.subarray(0, below(bytes.length));
    },
    () => {
      const at = place();
      bytes.fill(random() < 0.5 ? 0 : 0xff, at, Math.min(bytes.length, at + below(400)));
    },
    () => {
      const [at, length] = [place(), below(600)];
      bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    },
    () => {
      const [at, from] = [place(), place()];
      const block = bytes.subarray(from, from + below(600));
      bytes = Buffer.concat([bytes.subarray(0, at), block, bytes.subarray(at)]);
    },
  ];
  for (let count = 1 + below(4); count > 0; count--) changes[below(changes.length)]?.();
  return bytes;
}
