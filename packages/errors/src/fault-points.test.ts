import { EventEmitter } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { armFaultPoints, faultPoint, type HeldPoint, type ParentChannel } from "./fault-points.js";

/** A parent that keeps what it is told. */
function fakeParent() {
  const told: HeldPoint[] = [];
  const exits: number[] = [];
  const channel = Object.assign(new EventEmitter(), {
    send: (message: HeldPoint) => told.push(message),
    exit: (code: number) => exits.push(code),
  });
  return { told, exits, channel: channel as EventEmitter & ParentChannel };
}

describe("faultPoint", () => {
  afterEach(() => armFaultPoints(undefined, fakeParent().channel));

  it("holds nothing unless it is armed by name", async () => {
    await faultPoint("in-join");
    const { told, channel } = fakeParent();
    armFaultPoints("in-snapshot,in-join", channel);
    await faultPoint("before-commit");
    expect(told).toEqual([]);
  });

  it("tells its parent where it is, and goes on when that one answers", async () => {
    const { told, channel } = fakeParent();
    armFaultPoints("in-join", channel);
    const done: string[] = [];
    const first = faultPoint("in-join", { step: 1 }).then(() => done.push("first"));
    const second = faultPoint("in-join", { step: 2 }).then(() => done.push("second"));
    expect(told).toEqual([
      { faultPoint: "in-join", serial: 1, about: { step: 1 } },
      { faultPoint: "in-join", serial: 2, about: { step: 2 } },
    ]);
    channel.emit("message", { serial: 2 });
    await second;
    expect(done).toEqual(["second"]);
    channel.emit("message", { serial: 1 });
    await first;
  });

  it("fails as the system would, where the parent says so", async () => {
    const { channel } = fakeParent();
    armFaultPoints("artifact-write", channel);
    const writing = faultPoint("artifact-write");
    channel.emit("message", { serial: 1, errorCode: "ENOSPC" });
    await expect(writing).rejects.toMatchObject({ code: "ENOSPC" });
  });

  it("ends the process with its parent, and refuses to hold without one", () => {
    const { exits, channel } = fakeParent();
    armFaultPoints("in-join", channel);
    channel.emit("disconnect");
    expect(exits).toEqual([1]);
    const alone = Object.assign(new EventEmitter(), { exit: () => undefined });
    expect(() => armFaultPoints("in-join", alone)).toThrow(/expected a parent/);
  });
});
