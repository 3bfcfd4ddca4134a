import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { runChild } from "./child.mjs";

/** What a person can act on: printed as one sentence, without a stack. */
export class SetupError extends Error {}

const dim = (/** @type {string} */ text) =>
  process.stderr.isTTY ? `\u001b[2m${text}\u001b[22m` : text;

/** @param {string} text */
export const say = (text) => process.stderr.write(`${dim(`retake: ${text}`)}\n`);

/**
 * @param {string} version  as in `process.versions.node`
 * @param {{ range: string }} needed  as in package.json's `engines.node`: ">=20.19"
 * @returns {string | undefined}  what to do, if this version is too old
 */
export function nodeVersionProblem(version, { range }) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [majorMin = 0, minorMin = 0] = range.replace(">=", "").split(".").map(Number);
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return undefined;
  const needed = `Node.js ${majorMin}.${minorMin}`;
  return `${needed} or newer is needed, this is ${version}; install a newer one.`;
}

/** @typedef {{ version?: string, link?: boolean, optional?: boolean }} LockEntry */
/** @typedef {{ packages?: Record<string, LockEntry> }} Lock */

/**
 * Whether an installed tree is what the lock file asks for. Contents are compared rather than file
 * times, because a checkout touches files that it does not change.
 *
 * @param {Lock | undefined} installed  `node_modules/.package-lock.json`
 * @param {Lock} wanted                 `package-lock.json`
 */
export function isInstalled(installed, wanted) {
  const present = installed?.packages ?? {};
  return Object.entries(wanted.packages ?? {}).every(([path, entry]) => {
    if (!path.includes("node_modules/")) return true;
    const found = present[path];
    if (found === undefined) return entry.optional === true;
    return found.version === entry.version && found.link === entry.link;
  });
}

/** @param {string} path */
function json(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** @param {string} root  the repository's folder */
export function assertNodeVersion(root) {
  const range = json(join(root, "package.json"))?.engines?.node ?? ">=0.0";
  const problem = nodeVersionProblem(process.versions.node, { range });
  if (problem !== undefined) throw new SetupError(problem);
}

/** @param {string} root  the repository's folder */
export function assertWritable(root) {
  try {
    accessSync(root, constants.W_OK);
  } catch {
    throw new SetupError(
      `${root} is read-only, and the set-up writes node_modules and dist there; ` +
        "clone the repository to a folder that you may write to.",
    );
  }
}

/**
 * Installs node_modules as the lock file says, if it is not so already.
 *
 * @param {string} root  the repository's folder
 */
export async function ensureInstalled(root) {
  const wanted = json(join(root, "package-lock.json"));
  if (isInstalled(json(join(root, "node_modules/.package-lock.json")), wanted)) return;
  say("installing the npm packages of package-lock.json (npm ci), about a minute");
  const { code, output } = await runChild("npm", ["ci"], { cwd: root, quiet: true });
  if (code === 0) return;
  process.stderr.write(`${output}\n`);
  throw new SetupError("npm ci failed; what it said is above.");
}

/**
 * How each system's package manager installs ffmpeg, in the order of asking.
 *
 * @type {readonly { tool: string, asRoot: boolean, commands: readonly (readonly string[])[] }[]}
 */
export const ffmpegInstallers = [
  {
    tool: "apt-get",
    asRoot: true,
    commands: [
      ["update", "-q"],
      ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "ffmpeg"],
    ],
  },
  { tool: "dnf", asRoot: true, commands: [["install", "-y", "ffmpeg-free"]] },
  { tool: "apk", asRoot: true, commands: [["add", "--no-cache", "ffmpeg"]] },
  { tool: "brew", asRoot: false, commands: [["install", "ffmpeg"]] },
];

/** @param {string} command  @param {string[]} args */
const works = async (command, ...args) =>
  (await runChild(command, args, { quiet: true })).code === 0;

const hasFfmpeg = async () =>
  (await works("ffmpeg", "-version")) && (await works("ffprobe", "-version"));

/** Finds ffmpeg and ffprobe on the PATH, or installs them where this user may. */
export async function ensureFfmpeg() {
  if (await hasFfmpeg()) return;
  const installer = await installerHere();
  const byHand = "install ffmpeg with your system's package manager, so that both are on the PATH.";
  if (installer === undefined) throw new SetupError(`ffmpeg and ffprobe are missing; ${byHand}`);
  const isRoot = process.getuid?.() === 0;
  /** @type {readonly string[]} */
  let prefix = [];
  if (installer.asRoot && !isRoot) {
    if (!(await works("sudo", "-n", "true"))) {
      const command = `sudo ${installer.tool} ${installer.commands.at(-1)?.join(" ")}`;
      throw new SetupError(`ffmpeg and ffprobe are missing; install them: ${command}`);
    }
    prefix = ["sudo", "-n"];
  }
  say(`installing ffmpeg with ${installer.tool}`);
  for (const args of installer.commands) {
    const all = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", installer.tool, ...args];
    const { code, output } = await runChild(all[0] ?? "", all.slice(1), { quiet: true });
    if (code === 0) continue;
    process.stderr.write(`${output}\n`);
    throw new SetupError(`${installer.tool} could not install ffmpeg (above); ${byHand}`);
  }
  if (!(await hasFfmpeg())) throw new SetupError(`ffmpeg does not start after install; ${byHand}`);
}

async function installerHere() {
  for (const installer of ffmpegInstallers) {
    if (await works(installer.tool, "--version")) return installer;
  }
  return undefined;
}
