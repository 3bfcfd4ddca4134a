import { Code, RetakeError } from "./retake-error.js";

/** Where `npm run chaos` holds a process, to break something at exactly that moment. */
export type FaultPoint =
  | "before-publish"
  | "after-publish"
  | "applied"
  | "before-commit"
  | "after-commit"
  | "in-snapshot"
  | "in-join"
  | "in-sampling"
  | "artifact-write";

/** What a process that holds at a point tells its parent. */
export interface HeldPoint {
  readonly faultPoint: FaultPoint;
  readonly serial: number;
  readonly about: Readonly<Record<string, string | number>>;
}

/** The parent's answer: go on, or fail there as the system would, with such a code. */
export interface PointAnswer {
  readonly serial: number;
  readonly errorCode?: string;
}

/** This process, as far as its parent is concerned. */
export interface ParentChannel {
  readonly send?: ((message: HeldPoint) => unknown) | undefined;
  on(event: "message", listener: (message: unknown) => void): unknown;
  once(event: "disconnect", listener: () => void): unknown;
  readonly channel?: { unref(): void } | null | undefined;
  exit(code: number): void;
}

interface Armed {
  readonly names: ReadonlySet<string>;
  readonly hold: (point: Omit<HeldPoint, "serial">) => Promise<void>;
}

let armed: Armed | undefined;

/**
 * Makes points hold: `RETAKE_FAULT_POINTS` names them, with commas between. Each then tells the
 * parent process over its IPC channel, and waits for the answer. Only a `main.ts` calls this, and
 * without the variable nothing ever waits.
 *
 * @param names  undefined or empty: none
 * @throws RetakeError  `bad-option` without a parent that could answer
 */
export function armFaultPoints(names: string | undefined, parent: ParentChannel): void {
  armed = undefined;
  if (names === undefined || names === "") return;
  const { send } = parent;
  if (send === undefined) {
    const message =
      "RETAKE_FAULT_POINTS: expected a parent with an IPC channel, got none; unset it";
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  const waiting = new Map<number, (errorCode: string | undefined) => void>();
  parent.on("message", (message) => {
    const { serial, errorCode }: Partial<PointAnswer> = Object(message);
    waiting.get(Number(serial))?.(errorCode);
    waiting.delete(Number(serial));
  });
  // Nobody would ever answer.
  parent.once("disconnect", () => parent.exit(1));
  parent.channel?.unref();
  let serial = 0;
  const hold: Armed["hold"] = (point) =>
    new Promise((resolve, reject) => {
      serial += 1;
      waiting.set(serial, (code) => {
        if (code === undefined) resolve();
        else reject(Object.assign(new Error(`${code}: at ${point.faultPoint}`), { code }));
      });
      send.call(parent, { ...point, serial });
    });
  armed = { names: new Set(names.split(",")), hold };
}

/**
 * Holds here if the point is armed: in tests only.
 *
 * @throws  what the parent answers: an error with the code of a system's, such as `ENOSPC`
 */
export async function faultPoint(name: FaultPoint, about: HeldPoint["about"] = {}): Promise<void> {
  if (armed?.names.has(name) === true) await armed.hold({ faultPoint: name, about });
}
