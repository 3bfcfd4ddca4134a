import { Code } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { ExitCode, exitCodeMeanings, exitCodeOf } from "./exit-code.js";

describe("exitCodeOf", () => {
  it.each([
    [Code.InvalidArgument, 2],
    [Code.NotFound, 3],
    [Code.PermissionDenied, 4],
    [Code.Unauthenticated, 4],
    [Code.ResourceExhausted, 5],
    [Code.FailedPrecondition, 6],
    [Code.Unimplemented, 6],
    [Code.Unavailable, 8],
    [Code.DeadlineExceeded, 8],
    [Code.Canceled, 130],
    [Code.DataLoss, 1],
    [Code.Internal, 1],
  ])("is for %s %i", (code, exitCode) => {
    expect(exitCodeOf(code)).toBe(exitCode);
  });
});

describe("exitCodeMeanings", () => {
  it("explains every exit code once", () => {
    const explained = exitCodeMeanings.map(([code]) => code);
    expect(explained).toEqual(Object.values(ExitCode).sort((a, b) => a - b));
  });
});
