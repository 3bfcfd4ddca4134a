import type { ChildProcess } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Code, RetakeError } from "@retake/errors";
import ffmpeg from "fluent-ffmpeg";
import { atExit } from "./at-exit.js";
import { limits } from "./limits.js";

/** One input of ffmpeg: a `file:` address or a stream of raw frames, and the options before it. */
export interface ProgramInput {
  readonly source: string | Readable;
  readonly options: readonly string[];
}

export interface ProgramLimits {
  /** What is worked on, for the message: "reading clip.mp4". */
  readonly subject: string;
  readonly timeLimitMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Takes what the program prints; returns false to have the program stopped. */
  readonly onOutput?: ((bytes: Uint8Array) => boolean) | undefined;
}

/** How a program ended: `exit` is null for success. `complaints` is what it wrote to stderr. */
export interface ProgramEnd {
  readonly exit: string | null;
  readonly complaints: string;
}

/**
 * The parts of fluent-ffmpeg that it keeps for itself (2.1.3, its last version).
 *
 * Why not its public `run()` and `ffprobe()`: `ffprobe()` cannot be stopped and has no limit of
 * time or output; `run()` reports its end before the output is read to the end, reports an error
 * when a busy machine closes the output 20 ms before the exit, and throws out of an event when the
 * program cannot be started.
 */
interface Spawner {
  _getFfmpegPath: (done: (error: Error | null, path: string) => void) => void;
  _getArguments(): string[];
  _spawnFfmpeg(
    args: readonly string[],
    options: { captureStdout: boolean; stdoutLines: number; windowsHide: boolean },
    onProcess: (child: ChildProcess) => void,
    onEnd: (error: Error | null | undefined, out?: LineRing, complaints?: LineRing) => void,
  ): void;
}
interface LineRing {
  get(): string;
}

/**
 * Runs ffmpeg at `path`: fluent-ffmpeg builds the arguments and starts the process, which is killed
 * when `signal` aborts, when the time limit passes or when this process exits.
 */
export async function runFfmpeg(
  path: string,
  io: { inputs: readonly ProgramInput[]; options: readonly string[]; output: string },
  bounds: ProgramLimits,
): Promise<ProgramEnd> {
  const command = ffmpeg();
  for (const { source, options } of io.inputs) {
    command.input(source);
    if (options.length > 0) command.inputOptions(...options);
  }
  command.output(io.output).outputOptions(...io.options);
  const stream = io.inputs
    .map((input) => input.source)
    .find((source) => typeof source !== "string");
  return await watch(asSpawner(command, path), undefined, { ...bounds, stdin: stream });
}

/** Runs ffprobe, or any program with plain arguments, under the same watch. */
export async function runPlain(
  path: string,
  args: readonly string[],
  bounds: ProgramLimits,
): Promise<ProgramEnd> {
  return await watch(asSpawner(ffmpeg(), path), args, bounds);
}

function asSpawner(command: ffmpeg.FfmpegCommand, path: string): Spawner {
  const spawner = command as unknown as Spawner;
  spawner._getFfmpegPath = (done) => done(null, path);
  return spawner;
}

async function watch(
  spawner: Spawner,
  args: readonly string[] | undefined,
  bounds: ProgramLimits & { readonly stdin?: Readable | undefined },
): Promise<ProgramEnd> {
  assertNotStopped(bounds);
  let stopped: RetakeError | undefined;
  let child: ChildProcess | undefined;
  const stop = (error: RetakeError): void => {
    stopped ??= error;
    child?.kill("SIGKILL");
  };
  const onAbort = (): void => stop(stoppedError(bounds.subject));
  const timer = setTimeout(() => stop(timeError(bounds)), bounds.timeLimitMs);
  bounds.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    let flows: Promise<Error | undefined> = Promise.resolve(undefined);
    const end = await start(spawner, args ?? spawner._getArguments(), (started) => {
      child = started;
      started.once(
        "exit",
        atExit(() => started.kill("SIGKILL")),
      );
      flows = connect(started, bounds, () => started.kill("SIGKILL"));
    });
    const feedError = await flows;
    if (stopped !== undefined) throw stopped;
    if (feedError !== undefined) throw feedError;
    const crash = /killed with signal (\w+)/.exec(end.exit ?? "")?.[1];
    if (crash !== undefined && child?.killed === false) throw crashError(bounds.subject, crash);
    return end;
  } finally {
    clearTimeout(timer);
    bounds.signal?.removeEventListener("abort", onAbort);
  }
}

async function start(
  spawner: Spawner,
  args: readonly string[],
  onProcess: (child: ChildProcess) => void,
): Promise<ProgramEnd> {
  const options = {
    captureStdout: false,
    stdoutLines: limits.complaintLinesMax,
    windowsHide: true,
  };
  return await new Promise((resolve, reject) => {
    spawner._spawnFfmpeg(args, options, onProcess, (error, _out, complaints) => {
      if (complaints === undefined) reject(startError(error));
      else resolve({ exit: error?.message ?? null, complaints: complaints.get().trim() });
    });
  });
}

/** Moves stdin and stdout until both are closed. The value is why feeding stdin failed, if so. */
async function connect(
  child: ChildProcess,
  bounds: ProgramLimits & { readonly stdin?: Readable | undefined },
  kill: () => void,
): Promise<Error | undefined> {
  const { stdin, stdout } = child;
  let feedError: Error | undefined;
  const flows: Promise<unknown>[] = [];
  if (stdout !== null) {
    const sink = new Writable({
      write(bytes: Uint8Array, _encoding, done): void {
        if (bounds.onOutput?.(bytes) === false) kill();
        done();
      },
    });
    flows.push(pipeline(stdout, sink));
  }
  if (stdin !== null) {
    const feed = bounds.stdin ?? Readable.from([]);
    // A feed that breaks must not look like its end; a program that ends early breaks the pipe.
    feed.once("error", (error) => {
      if (isBrokenPipe(error)) return;
      feedError = error;
      kill();
    });
    flows.push(pipeline(feed, stdin));
  }
  await Promise.allSettled(flows);
  return feedError;
}

function isBrokenPipe(error: Error): boolean {
  const code = "code" in error ? error.code : undefined;
  return ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ABORT_ERR"].includes(String(code));
}

/** Throws when the caller has already asked to stop. */
export function assertNotStopped(bounds: {
  signal?: AbortSignal | undefined;
  subject: string;
}): void {
  if (bounds.signal?.aborted === true) throw stoppedError(bounds.subject);
}

function stoppedError(subject: string): RetakeError {
  return new RetakeError(
    Code.Canceled,
    "stopped",
    `${subject}: stopped as asked; nothing was kept`,
  );
}

function startError(cause: Error | null | undefined): RetakeError {
  const message = `ffmpeg: expected it to start, got ${cause?.message ?? "no reason"}; try again`;
  return new RetakeError(Code.Unavailable, "ffmpeg-failed", message, { cause });
}

/** Something else ended the program: a fault in it, or the machine for want of memory. */
function crashError(subject: string, crash: string): RetakeError {
  const message = `${subject}: expected ffmpeg to end by itself, got ${crash}`;
  const advice = "update ffmpeg, free some memory, or convert the video first";
  return new RetakeError(Code.Internal, "ffmpeg-failed", `${message}; ${advice}`);
}

function timeError({ subject, timeLimitMs }: ProgramLimits): RetakeError {
  const seconds = Math.round(timeLimitMs / 1000);
  const message = `${subject}: expected an end within ${seconds} s, got none; use a shorter video`;
  return new RetakeError(Code.DeadlineExceeded, "ffmpeg-failed", message);
}
