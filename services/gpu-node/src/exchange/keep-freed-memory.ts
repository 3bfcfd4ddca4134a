import { collectGarbage } from "../runtime/collect-garbage.js";

const mebibyte = 2 ** 20;
/** Kept is at most twice as much. */
const blockBytes = 16 * mebibyte;
let isKept = false;

/**
 * Lets the process keep some of the memory that it frees. glibc's malloc gives every block of 128
 * KiB, and whatever is free at the end of its heap, back to the kernel at once, which faults it in
 * again for the next message: 52 us for a message of 128 KiB, where 6 us are enough. It stops doing
 * so for blocks as large as the largest that it saw freed; so one is made and freed here, of which
 * no page is ever touched. Another malloc does not mind.
 */
export function keepFreedMemory(): void {
  if (isKept) return;
  isKept = true;
  makeBlock();
  collectGarbage();
}

/** A function of its own, so that nothing holds the block any more when it has returned. */
function makeBlock(): number {
  return new ArrayBuffer(blockBytes).byteLength;
}
