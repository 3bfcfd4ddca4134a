import { describe, expect, it } from "vitest";
import { Computer, Host, Network } from "./network.js";
import { countdown, VirtualClock } from "./virtual-clock.js";

/** A byte takes a millisecond; the first is there after ten. */
const link = { bytesPerSecond: 1000, roundTripMs: 20 };

/** Sends messages at once; when each of them was there. */
function arrivals(sends: (hosts: readonly Host[]) => readonly [Host, Host, number][]): number[] {
  const clock = new VirtualClock();
  const network = new Network(clock, link);
  const hosts = [new Host(), new Host(), new Host()];
  const times: number[] = [];
  sends(hosts).forEach(([from, to, bytes], at) => {
    network.send(from, { to, bytes }, () => {
      times[at] = clock.nowMs;
    });
  });
  clock.run();
  return times;
}
const three = (hosts: readonly Host[]): readonly [Host, Host, Host] => {
  const [a, b, c] = hosts;
  if (a === undefined || b === undefined || c === undefined) throw new Error("three hosts");
  return [a, b, c];
};

describe("VirtualClock", () => {
  it("runs events by their time, and those of one time in the order of their asking", () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    for (const delayMs of [30, 10, 20, 10, 0]) {
      clock.after(delayMs, () => seen.push(`${delayMs} at ${clock.nowMs}`));
    }
    clock.after(10, () => clock.after(5, () => seen.push("later")));
    clock.run();
    expect(seen).toEqual(["0 at 0", "10 at 10", "10 at 10", "later", "20 at 20", "30 at 30"]);
  });

  it("keeps the order of many events", () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    for (let at = 0; at < 500; at += 1) {
      clock.after((at * 7919) % 501, () => seen.push(clock.nowMs));
    }
    clock.run();
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.length).toBe(500);
  });
});

describe("countdown", () => {
  it("calls back at the last call, or at once where there is none to wait for", () => {
    let done = 0;
    const arrived = countdown(2, () => (done += 1));
    arrived();
    expect(done).toBe(0);
    arrived();
    expect(done).toBe(1);
    countdown(0, () => (done += 1));
    expect(done).toBe(2);
  });
});

describe("Network", () => {
  it("takes half a round trip, and the bytes at the link's rate", () => {
    expect(arrivals(([a, b]) => (a && b ? [[a, b, 100]] : []))).toEqual([110]);
    const large = 10 * 2 ** 18;
    expect(arrivals(([a, b]) => (a && b ? [[a, b, large]] : []))).toEqual([large + 10]);
  });

  it("sends one thing after the other, and receives so", () => {
    const sent = arrivals((hosts) => {
      const [a, b, c] = three(hosts);
      return [
        [a, b, 100],
        [a, c, 100],
      ];
    });
    expect(sent).toEqual([110, 210]);
    const received = arrivals((hosts) => {
      const [a, b, c] = three(hosts);
      return [
        [a, c, 100],
        [b, c, 50],
      ];
    });
    expect(received).toEqual([110, 160]);
  });

  it("sends and receives at the same time", () => {
    const both = arrivals((hosts) => {
      const [a, b] = three(hosts);
      return [
        [a, b, 100],
        [b, a, 100],
      ];
    });
    expect(both).toEqual([110, 110]);
  });

  it("turns from one receiver to the next, so that a long message blocks nobody", () => {
    const turn = 2 ** 18;
    const [long, short] = arrivals((hosts) => {
      const [a, b, c] = three(hosts);
      return [
        [a, b, 10 * turn],
        [a, c, 10],
      ];
    });
    expect(short).toBe(turn + 10 + 10);
    expect(long).toBe(10 * turn + 10 + 10);
  });
});

describe("Computer", () => {
  it("computes one thing after the other", () => {
    const clock = new VirtualClock();
    const computer = new Computer();
    const ends: number[] = [];
    for (const durationMs of [5, 7]) {
      computer.compute(clock, durationMs, () => ends.push(clock.nowMs));
    }
    clock.after(20, () => computer.compute(clock, 1, () => ends.push(clock.nowMs)));
    clock.run();
    expect(ends).toEqual([5, 12, 21]);
  });
});
