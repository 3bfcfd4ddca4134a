import { Code } from "@retake/errors";

/** What the command's end means to a script. */
export const ExitCode = {
  Done: 0,
  Fault: 1,
  BadInput: 2,
  NotFound: 3,
  NotAllowed: 4,
  NoRoom: 5,
  NotPossible: 6,
  OutOfReach: 8,
  Stopped: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** The table of `retake --help`. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.Done, "done"],
  [ExitCode.Fault, "a fault of Retake, its engine or the disk"],
  [ExitCode.BadInput, "an option, a video or a checkpoint that cannot be used"],
  [ExitCode.NotFound, "a file or model that is not there"],
  [ExitCode.NotAllowed, "a file that may not be read or written; a model that wants a token"],
  [ExitCode.NoRoom, "not enough memory or disk"],
  [ExitCode.NotPossible, "not possible here or so: no ffmpeg, no such engine, a loss not finite"],
  [ExitCode.OutOfReach, "out of reach or too slow: the network, a time limit"],
  [ExitCode.Stopped, "stopped by Ctrl-C"],
];

const exitCodes: Readonly<Record<Code, ExitCode>> = {
  [Code.InvalidArgument]: ExitCode.BadInput,
  [Code.NotFound]: ExitCode.NotFound,
  [Code.PermissionDenied]: ExitCode.NotAllowed,
  [Code.Unauthenticated]: ExitCode.NotAllowed,
  [Code.ResourceExhausted]: ExitCode.NoRoom,
  [Code.FailedPrecondition]: ExitCode.NotPossible,
  [Code.Unimplemented]: ExitCode.NotPossible,
  [Code.Unavailable]: ExitCode.OutOfReach,
  [Code.DeadlineExceeded]: ExitCode.OutOfReach,
  [Code.Canceled]: ExitCode.Stopped,
  [Code.DataLoss]: ExitCode.Fault,
  [Code.Internal]: ExitCode.Fault,
};

/** The exit code of an error's kind. */
export function exitCodeOf(code: Code): ExitCode {
  return exitCodes[code];
}
