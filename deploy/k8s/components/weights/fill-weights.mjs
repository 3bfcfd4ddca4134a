/**
 * Fills a volume with a checkpoint, or checks what is there. Runs in the image of the gpu-node,
 * whose packages do the work: `node fill-weights.mjs fill|check FOLDER`.
 *
 * MODEL_SOURCE  a folder, `owner/name` on the hub, or `owner/name@revision`
 * MODEL_HASH    SHA-256 over all files of the model, as `retake nodes --json` shows it; empty: any
 * HF_TOKEN      for gated models
 *
 * Afterwards FOLDER/current is the checkpoint, and FOLDER/current.sha256 its hash.
 */
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [mode = "", folder = ""] = process.argv.slice(2);
const { MODEL_SOURCE: source = "", MODEL_HASH: wanted = "", HF_TOKEN: token = "" } = process.env;
const entry = resolve(process.env.RETAKE_ROOT ?? "/app", "packages/checkpoint/dist/index.js");
const { openCheckpoint } = await import(pathToFileURL(entry).href);
const scratch = join(process.env.TMPDIR ?? "/tmp", "weights-check");

/** The hash of what lies there, from its bytes: nothing that was remembered is believed. */
async function hashOf(path) {
  await rm(scratch, { recursive: true, force: true });
  const { hash } = await openCheckpoint(path, { cacheDir: scratch });
  return hash;
}

function assertHash(hash, expected, path) {
  if (expected === "" || hash === expected) return;
  throw new Error(`${path}: expected hash ${expected}, got ${hash}; fill the volume again`);
}

async function fill() {
  const options = { cacheDir: folder, ...(token === "" ? {} : { token }) };
  const opened = await openCheckpoint(source, options);
  assertHash(opened.hash, wanted, source);
  const isInside = !relative(resolve(folder), opened.root).startsWith("..");
  const root = isInside ? opened.root : join(folder, "copies", opened.hash);
  if (!isInside) {
    await mkdir(join(folder, "copies"), { recursive: true });
    await cp(opened.root, root, { recursive: true, dereference: true });
  }
  const hash = await hashOf(root);
  assertHash(hash, opened.hash, root);
  await replace("current.sha256", (path) => writeFile(path, `${hash}\n`));
  await replace("current", (path) => symlink(relative(folder, root), path));
  return { root, hash };
}

/** So that a node never sees half of a change. */
async function replace(name, make) {
  const path = join(folder, `.${name}.new`);
  await rm(path, { force: true });
  await make(path);
  await rename(path, join(folder, name));
}

async function check() {
  const path = join(folder, "current");
  const hash = await hashOf(path);
  assertHash(hash, wanted, path);
  assertHash(hash, (await readFile(join(folder, "current.sha256"), "utf8")).trim(), path);
  return { root: path, hash };
}

const tasks = { fill, check };
try {
  const task = tasks[mode];
  if (task === undefined || folder === "") throw new Error("expected: fill|check FOLDER");
  console.log(JSON.stringify({ mode, ...(await task()) }));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
