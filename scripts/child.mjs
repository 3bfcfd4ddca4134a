import { spawn } from "node:child_process";
import { constants } from "node:os";

/** How much of a quiet child's output is kept, to be shown if it fails. */
const outputCharsMax = 20_000;

/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
/** @type {NodeJS.Signals | undefined} */
let stopSignal;

for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => {
    stopSignal = signal;
    // A terminal sends Ctrl-C to the children too; a second one would tell them to hurry.
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    for (const child of children) child.kill(signal);
  });
}

/** @param {NodeJS.Signals} signal */
const exitCodeOf = (signal) => 128 + constants.signals[signal];

/**
 * Runs a program to its end and gives its exit code; 128 + n if a signal ended it, 127 if there is
 * no such program. If this process was told to stop meanwhile, it exits with that code.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} [options]
 *   `quiet` keeps what the program prints to itself
 * @returns {Promise<{ code: number, output: string }>}  `output` is empty unless `quiet`
 */
export async function runChild(command, args, options = {}) {
  const { quiet = false, ...rest } = options;
  const child = spawn(command, args, { ...rest, stdio: quiet ? "pipe" : "inherit" });
  children.add(child);
  let output = "";
  const keep = (/** @type {string} */ text) => {
    output = (output + text).slice(-outputCharsMax);
  };
  child.stdin?.end();
  child.stdout?.setEncoding("utf8").on("data", keep);
  child.stderr?.setEncoding("utf8").on("data", keep);
  /** @type {number} */
  const code = await new Promise((resolve) => {
    child.on("error", (error) => {
      keep(error.message);
      resolve(127);
    });
    child.on("close", (status, signal) => resolve(signal ? exitCodeOf(signal) : (status ?? 1)));
  });
  children.delete(child);
  if (stopSignal !== undefined) process.exit(code === 0 ? exitCodeOf(stopSignal) : code);
  return { code, output };
}
