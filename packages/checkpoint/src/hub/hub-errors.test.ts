import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { hubError, statusError } from "./hub-errors.js";

const place = { name: "owner/name", hubUrl: "https://hub" };

describe("statusError", () => {
  it.each([
    [401, Code.Unauthenticated, "hub-unauthorized"],
    [403, Code.PermissionDenied, "hub-unauthorized"],
    [404, Code.NotFound, "file-not-found"],
    [400, Code.InvalidArgument, "download-failed"],
  ])("maps %d", (status, code, reason) => {
    expect(statusError(status, place)).toMatchObject({ code, reason });
  });

  it("says what to do about a gated model", () => {
    const message = statusError(403, place)?.message;
    expect(message).toContain("accept its licence at https://hub/owner/name and give a token");
  });

  it.each([429, 500, 503])("lets %d be tried again", (status) => {
    expect(statusError(status, place)).toBeUndefined();
  });
});

describe("hubError", () => {
  it("maps a status that a library reports, an abort, and a broken network", () => {
    const ofHub = (statusCode: number) => Object.assign(new Error("api"), { statusCode });
    expect(hubError(ofHub(404), place).reason).toBe("file-not-found");
    expect(hubError(ofHub(503), place)).toMatchObject({
      code: Code.Unavailable,
      reason: "download-failed",
    });
    const abort = Object.assign(new Error("stop"), { name: "AbortError" });
    expect(hubError(abort, place).reason).toBe("stopped");
    expect(hubError(new TypeError("fetch failed"), place).code).toBe(Code.Unavailable);
    const known = new RetakeError(Code.DataLoss, "checksum-mismatch", "x");
    expect(hubError(known, place)).toBe(known);
  });
});
