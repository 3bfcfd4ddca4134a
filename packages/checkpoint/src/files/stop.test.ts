import { describe, expect, it } from "vitest";
import { throwIfStopped } from "./stop.js";

describe("throwIfStopped", () => {
  it("throws once the signal is aborted, and does nothing before or without one", () => {
    const controller = new AbortController();
    throwIfStopped(controller.signal, "x");
    throwIfStopped(undefined, "x");
    controller.abort();
    expect(() => throwIfStopped(controller.signal, "x")).toThrow("x: stopped");
  });
});
