import { Code, RetakeError } from "@retake/errors";

/**
 * What a stopped run tells: where it was, and how it can go on. Any other error stays as it is.
 *
 * @param run.phase  the phase under way
 */
export function stoppedJob(
  thrown: unknown,
  run: {
    readonly phase: string;
    readonly useCache: boolean;
  },
): unknown {
  if (!(thrown instanceof RetakeError) || thrown.reason !== "stopped") return thrown;
  const { phase, useCache } = run;
  const kept = useCache ? "finished phases are kept, so the same command goes on from here" : "";
  const resumed = "a snapshot is kept: the same command with --resume goes on from it";
  const how = phase === "tune" ? resumed : kept;
  const message = `${phase}: stopped as asked${how === "" ? "" : `; ${how}`}`;
  return new RetakeError(Code.Canceled, "stopped", message, { cause: thrown });
}
