import type { LockClock } from "../epoch-lock.js";

interface Wait {
  readonly atMs: number;
  readonly end: () => void;
}

/** A clock that stands until it is told to move; waits end in the order of their times. */
export function createManualClock(): LockClock & {
  /** Moves on, and lets what waited go on, each at its own time. */
  advance(durationMs: number): Promise<void>;
} {
  let nowMs = 0;
  const waits = new Set<Wait>();

  return {
    nowMs: () => nowMs,
    wait: (durationMs, signal) =>
      new Promise<void>((resolve) => {
        const wait: Wait = {
          atMs: nowMs + durationMs,
          end: () => {
            waits.delete(wait);
            signal.removeEventListener("abort", wait.end);
            resolve();
          },
        };
        if (signal.aborted) return resolve();
        signal.addEventListener("abort", wait.end);
        waits.add(wait);
      }),
    advance: async (durationMs) => {
      const untilMs = nowMs + durationMs;
      for (;;) {
        await settled();
        const next = [...waits].sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        nowMs = Math.max(nowMs, next.atMs);
        next.end();
      }
      nowMs = untilMs;
      await settled();
    },
  };
}

/** Lets every promise that can go on do so: nothing here waits for anything but this clock. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
