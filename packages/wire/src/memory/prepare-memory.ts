import { setFlagsFromString } from "node:v8";
import { collectGarbage } from "./collect-garbage.js";

const mebibyte = 2 ** 20;
/** What malloc keeps is at most twice as much. */
const blockBytes = 8 * mebibyte;
/** How far the heap may grow past what is alive in it: further is faster, and takes more memory. */
const heapGrowingPercent = 175;
let isPrepared = false;

/** Sets the process up for hundreds of megabytes of messages that live for milliseconds. */
export function prepareMemory(): void {
  if (isPrepared) return;
  isPrepared = true;
  collectLessOften();
  collectAlone();
  keepFreedMemory();
}

/**
 * V8 counts the bytes of messages, which lie outside of its heap, against a limit that grows with
 * the heap. The heap of a node is small: the whole of it was collected 118 times a step, which took
 * half of the time on the CPU.
 */
function collectLessOften(): void {
  setFlagsFromString(`--heap-growing-percent=${heapGrowingPercent}`);
}

/**
 * A collection of the young part of a small heap is shared among threads, which costs more than it
 * saves: on a busy machine, a quarter of what the exchange takes of the CPU.
 */
function collectAlone(): void {
  setFlagsFromString("--no-parallel-scavenge");
  setFlagsFromString("--no-concurrent-array-buffer-sweeping");
}

/**
 * glibc's malloc gives every block of 128 KiB, and whatever is free at the end of its heap, back to
 * the kernel at once, which faults it in again for the next message: 52 us for one of 128 KiB,
 * where 6 us are enough. It stops doing so for blocks as large as the largest that it saw freed; so
 * one is made and freed here, of which no page is ever touched. Another malloc does not mind.
 */
function keepFreedMemory(): void {
  makeBlock();
  collectGarbage();
}

/** A function of its own, so that nothing holds the block any more when it has returned. */
function makeBlock(): number {
  return new ArrayBuffer(blockBytes).byteLength;
}
