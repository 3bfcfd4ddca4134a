import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTestCounts } from "./test-counts.mjs";

describe("readTestCounts", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "retake-test-"));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const counts = (testResults: unknown, exitCode: number) => {
    const path = join(folder, "report.json");
    writeFileSync(path, JSON.stringify({ testResults }));
    return readTestCounts(path, { exitCode });
  };
  const file = (status: string, ...statuses: readonly string[]) => ({
    status,
    assertionResults: statuses.map((each) => ({ status: each })),
  });

  it("counts each test once", () => {
    const files = [file("passed", "passed", "pending"), file("failed", "failed", "passed")];
    expect(counts(files, 1)).toEqual({ passed: 2, failed: 1, skipped: 1 });
  });

  it("counts a file that broke before its first test", () => {
    const files = [file("failed"), file("passed", "passed")];
    expect(counts(files, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it("never says 0 failed when the run failed", () => {
    expect(counts([file("passed", "passed")], 1)).toEqual({ passed: 1, failed: 1, skipped: 0 });
    expect(readTestCounts(join(folder, "none.json"), { exitCode: 137 }).failed).toBe(1);
    expect(readTestCounts(join(folder, "none.json"), { exitCode: 0 }).failed).toBe(0);
  });
});
