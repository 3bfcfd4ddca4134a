import { existsSync, readFileSync } from "node:fs";

/** @typedef {{ status: string, assertionResults: readonly { status: string }[] }} FileResult */

/**
 * Counts the tests of vitest's JSON report. A file that broke before its first test counts as one
 * failed test, and so does a run that failed without saying where.
 *
 * @param {string} path  the report; may be missing, if vitest did not come that far
 * @param {{ exitCode: number }} run  how vitest ended
 */
export function readTestCounts(path, { exitCode }) {
  /** @type {readonly FileResult[]} */
  const files = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).testResults : [];
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    const failedBefore = counts.failed;
    for (const { status } of file.assertionResults) {
      if (status === "passed") counts.passed += 1;
      else if (status === "failed") counts.failed += 1;
      else counts.skipped += 1;
    }
    if (file.status === "failed" && counts.failed === failedBefore) counts.failed += 1;
  }
  if (exitCode !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}
