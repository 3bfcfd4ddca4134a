/** What guards a frame of the exchange, per byte: its seal, and the CRC-32 that it replaced. */
import { crc32 } from "node:zlib";
import { decodeShardFrame, encodeShardFrame, ShardKind } from "@retake/wire/exchange";

const gigabyte = 1e9;
/** Of each, the least of so many passes counts. */
const passes = 5;
const bytesPerPass = 64 * 2 ** 20;

/** Seconds on the CPU per 10^9 bytes of frames. */
export interface SealCosts {
  /** Head and seal checked; no byte is copied. */
  readonly opening: number;
  readonly crc: number;
}

/** Measures both in turns, on the same frame. */
export function sealCosts({ pieceBytes }: { readonly pieceBytes: number }): SealCosts {
  const key = new Uint8Array(32).fill(7);
  const head = {
    ...{ quorumId: 1, step: 0, attempts: 0, kind: ShardKind.SHARD_KIND_PARTIAL, shardIndex: 0 },
    ...{ firstDraw: 0, drawCount: 1, offsetBytes: 0, totalBytes: pieceBytes, sumOfSquares: 0 },
    ...{ pending: false, stale: false },
  };
  const frame = encodeShardFrame(head, new Uint8Array(pieceBytes).fill(1), key);
  let [opening, crc] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let pass = 0; pass < passes; pass += 1) {
    opening = Math.min(
      opening,
      secondsPerGigabyte(frame, () => decodeShardFrame(frame, key)),
    );
    crc = Math.min(
      crc,
      secondsPerGigabyte(frame, () => crc32(frame)),
    );
  }
  return { opening, crc };
}

/** By the time on the CPU: others who use it count less than in time that passes. */
function secondsPerGigabyte(frame: Uint8Array, check: () => unknown): number {
  const count = Math.ceil(bytesPerPass / frame.length);
  const before = process.cpuUsage();
  for (let i = 0; i < count; i += 1) check();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1e6 / (count * frame.length)) * gigabyte;
}
