import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Code, RetakeError } from "@retake/errors";

const restartDelayMsMin = 200;
const restartDelayMsMax = 10_000;
/** What runs for so long is well: the next restart is quick again. */
const wellAfterMs = 30_000;
const stopDurationMsMax = 10_000;
const logTailCharacters = 600;

export interface ProcessOptions {
  readonly name: string;
  /** Of the program, and its arguments; asked anew for every start. */
  readonly args: () => readonly string[];
  readonly logPath: string;
  /** What it says when it is ready, from a line of its log. */
  readonly onLine: (line: Readonly<Record<string, unknown>>) => void;
  /** Told why it has ended, and what follows. */
  readonly onEnd: (reason: string) => void;
  /** Whether it may end by itself, with exit code 0: then it is not started again. */
  readonly mayLeave: boolean;
  readonly nowMs: () => number;
}

const leftByItself = "exit code 0";

/** A program of ours in a process of its own, started again when it dies. */
export class SupervisedProcess {
  readonly #options: ProcessOptions;
  readonly #log: WriteStream;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #ended: Promise<string> = Promise.resolve("");
  #tail = "";

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#log = createWriteStream(options.logPath, { flags: "a" });
  }

  get name(): string {
    return this.#options.name;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /**
   * Starts it and keeps it running.
   *
   * @throws RetakeError  `unreachable` if it ends by itself before `ready` settles
   */
  async start(ready: Promise<void>): Promise<void> {
    this.#spawn();
    const died = this.#ended.then((how) => {
      const message = `${this.name}: expected it to start, got its end (${how}): ${this.#tail}`;
      throw new RetakeError(Code.Unavailable, "unreachable", message);
    });
    died.catch(() => undefined);
    await Promise.race([ready, died]);
    void this.#keepRunning();
  }

  /** Ends it, by the signal first, by SIGKILL if that takes too long. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#stop.abort();
    this.#child?.kill(signal);
    const patience = new AbortController();
    const tooLate = delay(stopDurationMsMax, undefined, { signal: patience.signal }).then(
      () => this.#child?.kill("SIGKILL"),
      () => undefined,
    );
    await this.#ended;
    patience.abort();
    await tooLate;
    await new Promise((resolve) => this.#log.end(resolve));
  }

  /** At the exit of this process, when nothing can be waited for. */
  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  #spawn(): void {
    // In a group of its own: Ctrl-C of the terminal goes to `retake up`, which ends all in order.
    const child = spawn(process.execPath, [...this.#options.args()], {
      ...{ stdio: ["ignore", "pipe", "pipe"], detached: true },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (bytes: Buffer) => {
        this.#log.write(bytes);
        this.#tail = `${this.#tail}${bytes.toString()}`.slice(-logTailCharacters);
      });
    }
    if (child.stdout !== null) {
      createInterface(child.stdout).on("line", (line) => this.#onLine(line));
    }
    this.#ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  #onLine(line: string): void {
    if (!line.startsWith("{")) return;
    try {
      this.#options.onLine(Object(JSON.parse(line)));
    } catch {
      // A line that was cut, or of somebody else: it is in the log.
    }
  }

  async #keepRunning(): Promise<void> {
    const { nowMs, onEnd, mayLeave } = this.#options;
    let delayMs = restartDelayMsMin;
    for (let startedMs = nowMs(); ; startedMs = nowMs()) {
      const how = await this.#ended;
      if (this.#stop.signal.aborted) return;
      if (mayLeave && how === leftByItself) {
        onEnd(`${this.name} has handed over and left; it is not started again`);
        return;
      }
      delayMs = nowMs() - startedMs > wellAfterMs ? restartDelayMsMin : delayMs;
      onEnd(`${this.name} has ended (${how}); it is started again`);
      await delay(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      delayMs = Math.min(2 * delayMs, restartDelayMsMax);
      this.#spawn();
    }
  }
}
