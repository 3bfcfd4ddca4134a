import { describe, expect, it } from "vitest";
import { atExit } from "./at-exit.js";

describe("atExit", () => {
  it("listens only while there is something to clean up", () => {
    const before = process.listenerCount("SIGTERM");
    const releases = [atExit(() => undefined), atExit(() => undefined)];
    expect(process.listenerCount("SIGTERM")).toBe(before + 1);
    releases[0]?.();
    releases[0]?.();
    expect(process.listenerCount("SIGTERM")).toBe(before + 1);
    releases[1]?.();
    expect(process.listenerCount("SIGTERM")).toBe(before);
  });

  it("leaves a signal to a program that handles it", () => {
    let handled = 0;
    let cleaned = 0;
    const handle = (): void => {
      handled += 1;
    };
    process.on("SIGHUP", handle);
    const release = atExit(() => {
      cleaned += 1;
    });
    process.emit("SIGHUP", "SIGHUP");
    release();
    process.off("SIGHUP", handle);
    expect([handled, cleaned]).toEqual([1, 0]);
  });
});
