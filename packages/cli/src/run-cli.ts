import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { CommanderError } from "commander";
import { createProgram } from "./commands/create-program.js";
import type { Environment } from "./environment.js";
import { ExitCode, exitCodeOf } from "./errors/exit-code.js";

/**
 * Runs a command line.
 *
 * @param args  without the program's own name
 * @returns     the exit code; errors have been told
 */
export async function runCli(args: readonly string[], environment: Environment): Promise<number> {
  try {
    await createProgram(environment).parseAsync(args, { from: "user" });
    return ExitCode.Done;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return ExitCode.Done;
    const error = errorOf(thrown);
    tell(error, environment, args.includes("--json"));
    return exitCodeOf(error.code);
  }
}

function errorOf(thrown: unknown): RetakeError {
  if (!(thrown instanceof CommanderError)) return fromUnknown(thrown, "a fault in Retake");
  if (thrown.code === "commander.help") {
    const message = "command line: expected a command, got none; see retake --help";
    return new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  const message = `command line: ${thrown.message.replace(/^error: /, "")}; see retake --help`;
  return new RetakeError(Code.InvalidArgument, "bad-option", message, { cause: thrown });
}

/** One sentence for a person, one object for a program; where it comes from only when asked. */
function tell(error: RetakeError, { env, writeErr }: Environment, json: boolean): void {
  const { code, reason } = error;
  const message = error.message.replace(/\s+/g, " ").trim();
  if (json) writeErr(`${JSON.stringify({ event: "error", code, reason, message })}\n`);
  else writeErr(`retake: ${message}\n`);
  if (env.RETAKE_DEBUG !== "1") return;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    writeErr(`${cause.stack ?? cause.message}\n`);
  }
}
