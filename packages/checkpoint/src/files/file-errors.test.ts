import { Code, RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { writeError } from "./file-errors.js";

const nodeError = (code: string): Error => Object.assign(new Error(code), { code });

describe("writeError", () => {
  it.each(["EACCES", "EPERM", "EROFS", "EISDIR", "ENOTDIR", "ENOENT"])(
    "calls %s a place that cannot be written",
    (errno) => {
      expect(writeError(nodeError(errno), "x").reason).toBe("output-not-writable");
    },
  );

  it.each(["ENOSPC", "EDQUOT", "EFBIG"])(
    "calls %s a full disk, which the caller may wait for",
    (errno) => {
      const error = writeError(nodeError(errno), "x");
      expect([error.code, error.reason]).toEqual([Code.ResourceExhausted, "disk-full"]);
    },
  );

  it("leaves a RetakeError as it is, and calls the rest a bug", () => {
    const known = new RetakeError(Code.Canceled, "stopped", "x");
    expect(writeError(known, "x")).toBe(known);
    expect(writeError(new Error("?"), "x").reason).toBe("bug");
  });
});
