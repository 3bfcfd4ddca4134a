import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { stoppedJob } from "./stopped-job.js";

const stopped = new RetakeError(Code.Canceled, "stopped", "engine: stopped");

describe("stoppedJob", () => {
  it("names the phase, and how to go on", () => {
    const messageOf = (phase: string, useCache: boolean): string =>
      String(stoppedJob(stopped, { phase, useCache }));
    expect(messageOf("tune", false)).toContain("tune: stopped as asked; a snapshot is kept");
    expect(messageOf("sample", true)).toContain("the same command goes on from here");
    expect(messageOf("sample", false)).toMatch(/sample: stopped as asked$/);
  });

  it("leaves other errors as they are", () => {
    const other = new RetakeError(Code.Internal, "bug", "x");
    expect(stoppedJob(other, { phase: "tune", useCache: true })).toBe(other);
    expect(stoppedJob("text", { phase: "tune", useCache: true })).toBe("text");
  });
});
