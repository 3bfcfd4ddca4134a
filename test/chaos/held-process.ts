import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";
import type { FaultPoint, HeldPoint, PointAnswer } from "@retake/errors";

/** A process at a fault point: it goes on with `answer`, or fails there with a system's code. */
export interface Holding {
  readonly process: HeldProcess;
  readonly point: FaultPoint;
  readonly about: HeldPoint["about"];
  readonly answer: (errorCode?: string) => void;
}

export interface HeldProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly faultPoints: readonly FaultPoint[];
  readonly logPath: string;
  readonly onHeld: (holding: Holding) => void;
  /** Told of every line of its log. */
  readonly onLine: (line: Readonly<Record<string, unknown>>) => void;
  /** Whether it is started again when it has ended. Default always. */
  readonly comesBack?: ((exitCode: number | null) => boolean) | undefined;
}

/** A process of the cluster that tells where it is, and is started again when it dies. */
export class HeldProcess {
  readonly name: string;
  /** Times that it was started. */
  lives = 0;
  readonly #options: HeldProcessOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(options: HeldProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = createWriteStream(options.logPath, { flags: "a" });
    this.#spawn();
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it again, once it has ended and did not come back; not when it was to stop for good. */
  start(): void {
    if (!this.isRunning && !this.#isStopping) this.#spawn();
  }

  /** Lets it end, and waits until it has. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#isStopping = true;
    this.#child?.kill("SIGCONT");
    this.#child?.kill(signal);
    await this.#ended;
    await new Promise((resolve) => this.#log.end(resolve));
  }

  #spawn(): void {
    const { args, faultPoints, onHeld, comesBack = () => true } = this.#options;
    this.lives += 1;
    // Armed with a point that is none, too: then it ends with this process, however that ends.
    const names = ["none", ...faultPoints].join(",");
    const env = { ...process.env, RETAKE_FAULT_POINTS: names };
    const child = spawn(process.execPath, [...args], {
      ...{ env, stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true },
    });
    this.#child = child;
    child.on("message", (message: HeldPoint) => {
      const { faultPoint: point, about, serial } = message;
      const answer = (errorCode?: string): void => {
        const told: PointAnswer = { serial, ...(errorCode === undefined ? {} : { errorCode }) };
        // It may be dead by now.
        if (child.connected) child.send(told, () => undefined);
      };
      onHeld({ process: this, point, about, answer });
    });
    for (const stream of [child.stdout, child.stderr]) stream?.pipe(this.#log, { end: false });
    if (child.stdout !== null) {
      createInterface(child.stdout).on("line", (line) => this.#onLine(line));
    }
    this.#ended = new Promise((resolve) => {
      child.once("close", (exitCode) => {
        if (!this.#isStopping && comesBack(exitCode)) this.#spawn();
        resolve();
      });
    });
  }

  #onLine(line: string): void {
    if (line.startsWith("{")) this.#options.onLine(Object(JSON.parse(line)));
  }
}
