import { describe, expect, it } from "vitest";
import { type Attendance, attendanceAfter, nobody } from "./absence.js";

type Look = readonly ["list" | "watch", ...string[]];

/** Looks one after the other: each tells who is there, as `name@address`; gives who has gone. */
function goneAfter(...looks: readonly Look[]): string[][] {
  let attendance: Attendance = nobody;
  return looks.map(([source, ...names]) => {
    const places = names.map((name) => {
      const [nodeId = "", address = "1"] = name.split("@");
      return { nodeId, address, machine: "m", isReady: true };
    });
    const after = attendanceAfter(attendance, places, source);
    attendance = after.attendance;
    return after.gone.map(({ nodeId, address }) => `${nodeId}@${address}`);
  });
}

describe("attendanceAfter", () => {
  it("believes an event when a list confirms it", () => {
    expect(goneAfter(["list", "a", "b"], ["watch", "b"], ["list", "b"], ["list", "b"])).toEqual([
      [],
      [],
      ["a@1"],
      [],
    ]);
  });

  it("believes two lists one after the other, and one alone not", () => {
    expect(goneAfter(["list", "a"], ["list"], ["list"])).toEqual([[], [], ["a@1"]]);
    expect(goneAfter(["list", "a"], ["list"], ["list", "a"])).toEqual([[], [], []]);
  });

  it("waits for a list, however many events say the same", () => {
    expect(goneAfter(["list", "a"], ["watch"], ["watch"], ["watch"])).toEqual([[], [], [], []]);
    expect(goneAfter(["list", "a"], ["watch"], ["watch", "a"], ["list"])).toEqual([[], [], [], []]);
  });

  it("tells a pod that is back at another address from the one that has gone", () => {
    expect(goneAfter(["list", "a@1"], ["watch", "a@2"], ["list", "a@2"])).toEqual([
      [],
      [],
      ["a@1"],
    ]);
  });

  it("says nothing of who was never there", () => {
    expect(goneAfter(["list"], ["list"])).toEqual([[], []]);
  });
});
