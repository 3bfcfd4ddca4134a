import { Code, RetakeError } from "@retake/errors";
import type { Machine, VirtualTime } from "./virtual-time.js";

/** What happens between a machine and a server, one request at a time. */
export interface Journey {
  /** away: refused. silent: no answer, ever. deaf: done, and the answer is lost. */
  readonly mode: "well" | "away" | "silent" | "deaf";
  readonly thereMs: number;
  readonly backMs: number;
}

export const instant: Journey = { mode: "well", thereMs: 0, backMs: 0 };

interface Way {
  readonly time: VirtualTime;
  readonly machine: Machine;
  readonly journey: () => Journey;
}

/** NATS gives a request up after as long. */
const storeTimeoutMs = 2000;

/** The way of a machine to the store: what is asked there, is asked over this. */
export function createWay({ time, machine, journey }: Way) {
  return async <Result>(ask: () => Promise<Result>): Promise<Result> => {
    const { mode, thereMs, backMs } = journey();
    await time.after(thereMs);
    if (mode === "silent") await time.after(storeTimeoutMs);
    const isDone = mode === "well" || mode === "deaf";
    const result = isDone ? await ask() : undefined;
    await time.after(backMs);
    await machine.awake();
    if (mode === "well") return result as Result;
    const message = `expected an answer of the store, got none (${mode})`;
    throw new RetakeError(Code.Unavailable, "store-unavailable", message);
  };
}
