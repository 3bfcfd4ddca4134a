import type { PhaseTime } from "@retake/coordinator/result";
import type { Environment } from "../environment.js";
import { durationText, rateText } from "../text/duration-text.js";

/** How much a command says while it works. */
export type Verbosity = "lines" | "json" | "quiet";

export interface PhaseProgress {
  readonly done: number;
  readonly total: number;
  /** What is counted, where it is not what the phase's name says. */
  readonly unit?: string;
}

/** A phase under way. */
export interface Phase {
  readonly progress: (progress: PhaseProgress) => void;
  /** Says that the result was there from an earlier run. */
  readonly reuse: () => void;
}

/** Between two plain lines of one phase. */
const lineIntervalMs = 5000;
/** Between two updates of the one line on a terminal. */
const redrawIntervalMs = 100;

/** Tells a person or a program how far the work is, on stderr. */
export class Reporter {
  readonly #environment: Environment;
  readonly #verbosity: Verbosity;
  readonly #times: Record<string, PhaseTime> = {};
  #lineShown = false;
  #current = "start";

  constructor(environment: Environment, verbosity: Verbosity) {
    this.#environment = environment;
    this.#verbosity = verbosity;
  }

  /** Seconds by phase, in the order in which they were begun. */
  get times(): Readonly<Record<string, PhaseTime>> {
    return this.#times;
  }

  /** The phase that was begun last. */
  get current(): string {
    return this.#current;
  }

  /** Runs a phase and tells how it goes. */
  async phase<Result>(name: string, work: (phase: Phase) => Promise<Result>): Promise<Result> {
    const { nowMs } = this.#environment;
    const beganMs = nowMs();
    this.#current = name;
    let saidMs = beganMs;
    let reused = false;
    let first: number | undefined;
    this.#event({ event: "phase", phase: name });
    const progress: Phase["progress"] = ({ done, total, unit = "" }) => {
      first ??= done;
      const interval = this.#isLive ? redrawIntervalMs : lineIntervalMs;
      if (nowMs() - saidMs < interval) return;
      saidMs = nowMs();
      const elapsedMs = saidMs - beganMs;
      this.#progress(name, { done, total, unit, first, elapsedMs });
    };
    const result = await work({ progress, reuse: () => (reused = true) });
    const elapsedMs = nowMs() - beganMs;
    this.#times[name] = { seconds: Math.round(elapsedMs) / 1000, reused };
    this.#event({ event: "phase-done", phase: name, seconds: elapsedMs / 1000, reused });
    this.#line(`${name}: ${reused ? "taken from the cache" : durationText(elapsedMs)}`);
    return result;
  }

  /** A sentence that a person should read. */
  note(text: string): void {
    this.#event({ event: "note", text });
    this.#line(text);
  }

  warn(text: string): void {
    this.#event({ event: "warning", text });
    this.#line(`warning: ${text}`);
  }

  get #isLive(): boolean {
    return this.#verbosity === "lines" && this.#environment.columns !== undefined;
  }

  #progress(
    name: string,
    at: {
      readonly done: number;
      readonly total: number;
      readonly unit: string;
      readonly first: number;
      readonly elapsedMs: number;
    },
  ): void {
    const fresh = at.done - at.first;
    const leftMs = fresh > 0 ? (at.elapsedMs / fresh) * (at.total - at.done) : undefined;
    this.#event({
      ...{ event: "progress", phase: name, done: at.done, total: at.total },
      ...(leftMs === undefined ? {} : { secondsLeft: leftMs / 1000 }),
    });
    const rate = rateText(fresh, { milliseconds: at.elapsedMs });
    const left = leftMs === undefined ? "" : `, ${durationText(leftMs)} left`;
    const done = `${name}: ${at.done} of ${at.total}${at.unit === "" ? "" : ` ${at.unit}`}`;
    const text = `${done}${rate === "" ? "" : `, ${rate}`}${left}`;
    if (this.#isLive) this.#redraw(text);
    else this.#line(text);
  }

  #event(event: Readonly<Record<string, unknown>>): void {
    if (this.#verbosity === "json") this.#environment.writeErr(`${JSON.stringify(event)}\n`);
  }

  #line(text: string): void {
    if (this.#verbosity !== "lines") return;
    this.clearLine();
    this.#environment.writeErr(`${text}\n`);
  }

  #redraw(text: string): void {
    this.clearLine();
    this.#environment.writeErr(text.slice(0, (this.#environment.columns ?? 80) - 1));
    this.#lineShown = true;
  }

  /** Takes the updating line away, so that something else can be written. */
  clearLine(): void {
    if (this.#lineShown) this.#environment.writeErr("\r\u001b[2K");
    this.#lineShown = false;
  }
}
