/**
 * The front door of `npm run ...`: sets up what a task needs, then runs it. Plain JavaScript
 * without dependencies, because it runs before anything is installed.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild } from "./child.mjs";
import {
  assertNodeVersion,
  assertWritable,
  ensureFfmpeg,
  ensureInstalled,
  SetupError,
  say,
} from "./setup.mjs";
import { readTestCounts } from "./test-counts.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} name  a program of an installed package  @param {readonly string[]} args */
async function tool(name, ...args) {
  const isPlain = !process.stdout.isTTY && process.env.FORCE_COLOR === undefined;
  const env = isPlain ? { ...process.env, NO_COLOR: "1" } : process.env;
  return (await runChild(join(root, "node_modules/.bin", name), args, { cwd: root, env })).code;
}

/** @param {string} path  from the repository's root  @param {readonly string[]} args */
async function script(path, args) {
  if (!existsSync(join(root, path))) throw new SetupError(`${path} is not there to be run.`);
  return (await runChild(process.execPath, [join(root, path), ...args])).code;
}

const build = () => tool("tsc", "-b");

/** Format, lint and floating promises; gives how many of the two programs failed. */
async function lint() {
  const biome = await tool("biome", "check", "--error-on-warnings", "--diagnostic-level=warn");
  const oxlint = await tool("oxlint", "--type-aware", "--deny-warnings");
  return Number(biome !== 0) + Number(oxlint !== 0);
}

async function check() {
  const failedCount = Number((await build()) !== 0) + (await lint());
  const tidy = await tool("vitest", "run", "test/tidy");
  return failedCount === 0 ? tidy : 1;
}

/**
 * All that CI runs. The last line counts the tests, and each failed check as a failed one.
 *
 * @param {readonly string[]} args  for vitest: files or names to choose
 */
async function test(args) {
  if ((await build()) !== 0) {
    console.log("0 passed, 1 failed");
    return 1;
  }
  const lintFailedCount = await lint();
  const report = join(root, ".cache/test-report.json");
  rmSync(report, { force: true });
  mkdirSync(dirname(report), { recursive: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const code = await tool("vitest", "run", ...reporters, ...args);
  const counts = readTestCounts(report, { exitCode: code });
  const failedCount = counts.failed + lintFailedCount;
  if (lintFailedCount > 0) console.log("format or lint failed: see above");
  if (counts.skipped > 0) console.log(`${counts.skipped} skipped`);
  console.log(`${counts.passed} passed, ${failedCount} failed`);
  return failedCount === 0 ? 0 : 1;
}

/**
 * Checks the wire's description, also against what was described before, and writes that and the
 * code for it anew: CI fails where they change.
 */
async function proto() {
  const buf = join(root, "node_modules/.bin/buf");
  const cwd = join(root, "proto");
  const image = "protocol.binpb";
  const isNew = !existsSync(join(cwd, image));
  const steps = [
    ["lint"],
    ...(isNew ? [] : [["breaking", "--against", image]]),
    ["generate"],
    ["build", "--exclude-source-info", "-o", image],
  ];
  for (const args of steps) {
    const { code } = await runChild(buf, args, { cwd });
    if (code !== 0) return code;
  }
  return 0;
}

/** Of each decoder of what other processes send or a store holds; a failure prints its seed. */
const casesPerDecoder = 20_000;
const decoderTests = [
  ...["packages/wire/src/decoders", "packages/wire/src/exchange-codec"],
  ...["services/coordinator/src/loop/record-codec", "packages/cli/src/cluster/batch-line"],
];

/** For the night: generated cases, many more than `npm test` takes. */
async function decoders() {
  const env = { ...process.env, RETAKE_CASES: `${casesPerDecoder}` };
  const vitest = join(root, "node_modules/.bin/vitest");
  const code = await build();
  const options = { cwd: root, env };
  return code === 0 ? (await runChild(vitest, ["run", ...decoderTests], options)).code : code;
}

/** Builds what is imported, then runs a program of this repository. */
async function built(/** @type {string} */ path, /** @type {readonly string[]} */ args) {
  const code = await build();
  return code === 0 ? script(path, args) : code;
}

/** @param {readonly string[]} args  the measurement's name, then its own arguments */
async function bench([name, ...args]) {
  if (name !== undefined) return built(`dist/bench/${name}.js`, args);
  throw new SetupError("bench: expected a name; package.json lists them as bench:NAME.");
}

/** @param {readonly string[]} args  a part of what makes the demo model, then its own arguments */
async function demoModel([name, ...args]) {
  if (name !== undefined) return built(`dist/models/demo/${name}/run.js`, args);
  throw new SetupError("demo-model: expected a name; package.json lists them as demo-model:NAME.");
}

/** Edits the clip that comes along, and says how good that is: its truth is known. */
async function demo(/** @type {readonly string[]} */ args) {
  const code = await built("packages/cli/bin/retake.js", ["demo", ...args]);
  const isTold = !["--help", "-h", "--json", "--quiet"].some((flag) => args.includes(flag));
  return code === 0 && isTold ? script("dist/models/demo/judge/run.js", args) : code;
}

/**
 * @type {Readonly<Record<string, { needsFfmpeg: boolean,
 *   run: (args: readonly string[]) => Promise<number> }>>}
 */
const tasks = {
  check: { needsFfmpeg: false, run: check },
  test: { needsFfmpeg: true, run: test },
  demo: { needsFfmpeg: true, run: demo },
  golden: { needsFfmpeg: false, run: (args) => built("dist/test/golden/run.js", args) },
  proto: { needsFfmpeg: false, run: proto },
  wasm: { needsFfmpeg: false, run: async () => (await import("./wasm.mjs")).wasm() },
  sim: { needsFfmpeg: false, run: (args) => built("dist/test/sim/run.js", args) },
  "sim:lease": {
    needsFfmpeg: false,
    run: (args) => built("dist/test/kubernetes/leases/run.js", args),
  },
  chaos: { needsFfmpeg: true, run: (args) => built("dist/test/chaos/run.js", args) },
  "chaos:cancel": {
    needsFfmpeg: true,
    run: (args) => built("dist/test/chaos/run-cancels.js", args),
  },
  bench: { needsFfmpeg: true, run: bench },
  "demo-model": { needsFfmpeg: true, run: demoModel },
  k8s: { needsFfmpeg: true, run: (args) => built("dist/test/k8s/run.js", args) },
  "test:decoders": { needsFfmpeg: false, run: decoders },
  "test:matrix": { needsFfmpeg: true, run: (args) => built("scripts/node-matrix.mjs", args) },
};

/** @param {readonly string[]} argv  the task and its arguments */
async function main([name = "", ...args]) {
  const task = tasks[name];
  if (task === undefined) {
    throw new SetupError(`unknown task "${name}": expected ${Object.keys(tasks).join(", ")}.`);
  }
  assertNodeVersion(root);
  assertWritable(root);
  await ensureInstalled(root);
  if (task.needsFfmpeg) await ensureFfmpeg();
  return task.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
