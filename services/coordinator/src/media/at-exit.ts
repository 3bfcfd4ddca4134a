const cleanups = new Set<() => void>();
const deadly = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Has `cleanUp` run when this process exits or a signal ends it, until the function that is
 * returned is called. It must be quick and synchronous. SIGKILL and a power cut pass it by.
 *
 * A signal that the program handles itself is left to the program: it will abort what it started.
 */
export function atExit(cleanUp: () => void): () => void {
  if (cleanups.size === 0) {
    process.on("exit", runAll);
    for (const signal of deadly) process.on(signal, onDeadlySignal);
  }
  cleanups.add(cleanUp);
  return () => {
    if (!cleanups.delete(cleanUp) || cleanups.size > 0) return;
    process.off("exit", runAll);
    for (const signal of deadly) process.off(signal, onDeadlySignal);
  };
}

function runAll(): void {
  for (const cleanUp of cleanups) cleanUp();
}

function onDeadlySignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  runAll();
  process.off(signal, onDeadlySignal);
  process.kill(process.pid, signal);
}
