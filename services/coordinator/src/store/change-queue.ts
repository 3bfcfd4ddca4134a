import type { Change } from "./record-store.js";

/**
 * Changes on their way to one watcher. What it has not yet taken is overwritten by a newer change
 * of the same record, so that a slow watcher holds one change per record and no more.
 */
export function createChangeQueue<Value>(signal: AbortSignal) {
  const waiting = new Map<string, Change<Value>>();
  let wake: () => void = () => undefined;
  signal.addEventListener("abort", () => wake(), { once: true });

  return {
    push: (change: Change<Value>): void => {
      const key = change.kind === "current" ? "" : change.id;
      waiting.delete(key);
      waiting.set(key, change);
      wake();
    },
    changes: async function* (): AsyncGenerator<Change<Value>> {
      while (!signal.aborted) {
        const first = waiting.entries().next();
        if (first.done) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const [key, change] = first.value;
        waiting.delete(key);
        yield change;
      }
    },
  };
}
