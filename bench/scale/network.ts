import type { VirtualClock } from "./virtual-clock.js";

export interface Link {
  /** Of a host's network card, each way. */
  readonly bytesPerSecond: number;
  /** Between any two hosts, there and back. */
  readonly roundTripMs: number;
}

interface Message {
  readonly to: Host;
  bytesLeft: number;
  readonly done: () => void;
}

/** What a card sends before it turns to the next receiver. */
const turnBytes = 2 ** 18;

/** A machine with one network card, which sends and receives at the same time. */
export class Host {
  /** What it sends, by receiver, in the order of their turns. */
  readonly waiting = new Map<Host, Message[]>();
  isSending = false;
  receivesUntilMs = 0;
}

/**
 * Hosts at a switch that is never busy itself. A card sends to its receivers in turns, and receives
 * one thing after the other; what it cannot receive yet waits in the switch.
 */
export class Network {
  readonly #clock: VirtualClock;
  readonly #link: Link;

  constructor(clock: VirtualClock, link: Link) {
    this.#clock = clock;
    this.#link = link;
  }

  /** Sends some bytes; calls back when the last of them is there. */
  send(from: Host, { to, bytes }: { to: Host; bytes: number }, done: () => void): void {
    if (from === to) {
      this.#clock.after(0, done);
      return;
    }
    const message = { to, bytesLeft: bytes, done };
    const before = from.waiting.get(to);
    if (before === undefined) from.waiting.set(to, [message]);
    else before.push(message);
    if (!from.isSending) this.#next(from);
  }

  #next(from: Host): void {
    const [turn] = from.waiting;
    from.isSending = turn !== undefined;
    if (turn === undefined) return;
    const [to, messages] = turn;
    const [message] = messages;
    if (message === undefined) throw new Error("network: nothing waits for a receiver");
    const bytes = Math.min(turnBytes, message.bytesLeft);
    message.bytesLeft -= bytes;
    if (message.bytesLeft === 0) messages.shift();
    const durationMs = (1000 * bytes) / this.#link.bytesPerSecond;
    const { nowMs } = this.#clock;
    // Its first byte is there after half a round trip; the last, when all of it went through.
    const beginMs = Math.max(to.receivesUntilMs, nowMs + this.#link.roundTripMs / 2);
    to.receivesUntilMs = beginMs + durationMs;
    if (message.bytesLeft === 0) this.#clock.after(to.receivesUntilMs - nowMs, message.done);
    this.#clock.after(durationMs, () => {
      // Whoever waits longer is next.
      from.waiting.delete(to);
      if (messages.length > 0) from.waiting.set(to, messages);
      this.#next(from);
    });
  }
}

/** A machine that computes: one thing after the other. */
export class Computer extends Host {
  #busyUntilMs = 0;

  /** Computes for so long, when all before is done; then calls back. */
  compute(clock: VirtualClock, durationMs: number, done: () => void): void {
    this.#busyUntilMs = Math.max(this.#busyUntilMs, clock.nowMs) + durationMs;
    clock.after(this.#busyUntilMs - clock.nowMs, done);
  }
}
