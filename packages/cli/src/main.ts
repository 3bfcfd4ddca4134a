import { ExitCode } from "./errors/exit-code.js";
import { runCli } from "./run-cli.js";

const stop = new AbortController();
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal asks the work to stop and clean up; the second ends the process at once. */
function onSignal(signal: NodeJS.Signals): void {
  if (stop.signal.aborted) endAtOnce(signal);
  stop.abort();
  process.stderr.write("\nstopping after the step under way; Ctrl-C again ends at once\n");
}

/**
 * Temporary files are removed, then the signal does what it does by default. `process.exit` would
 * wait for the engine's thread, which hears nothing until its pass is done.
 */
function endAtOnce(signal: NodeJS.Signals): void {
  process.emit("exit", ExitCode.Stopped);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

for (const signal of signals) process.on(signal, onSignal);
// A reader that has gone away is no error of ours: `retake edit --json | head`.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  nowMs: () => performance.timeOrigin + performance.now(),
  signal: stop.signal,
  writeOut: (text) => process.stdout.write(text),
  writeErr: (text) => process.stderr.write(text),
  columns: process.stderr.isTTY ? process.stderr.columns : undefined,
});
for (const signal of signals) process.off(signal, onSignal);
