import { createRequire } from "node:module";
import { resolve } from "node:path";
import util from "node:util";
import { Code, RetakeError } from "@retake/errors";
import * as tf from "@tensorflow/tfjs-core";

const require = createRequire(import.meta.url);

/** The packages that bring TensorFlow's own kernels, the faster first. */
const bindings = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;

interface Binding {
  readonly name: string;
  /** Resolves and loads modules as the binding's package itself does. */
  readonly require: NodeJS.Require;
}

function findBinding(from: NodeJS.Require): Binding | undefined {
  for (const name of bindings) {
    try {
      return { name, require: createRequire(from.resolve(`${name}/package.json`)) };
    } catch {
      // Not installed: the next one may be.
    }
  }
  return undefined;
}

function unavailable(message: string, cause?: unknown): RetakeError {
  return new RetakeError(Code.FailedPrecondition, "engine-unavailable", `tfjs: ${message}`, {
    cause,
  });
}

/** Node 24 has taken away what the binding of 4.22 still calls (tensorflow/tfjs#8425). */
function restoreIsNullOrUndefined(): void {
  const isNullOrUndefined = (value: unknown): boolean => value === null || value === undefined;
  if (!("isNullOrUndefined" in util)) Object.assign(util, { isNullOrUndefined });
}

/**
 * Lets a binding find the TensorFlow.js that the model uses, where its own folder has a copy. A
 * copy would register its kernels, but tensors and gradients would be another module's.
 */
function shareTfjs(theirs: NodeJS.Require): void {
  const ours = createRequire(require.resolve("@tensorflow/tfjs"));
  for (const name of ["@tensorflow/tfjs", "@tensorflow/tfjs-core"]) {
    ours(name);
    const loaded = require.cache[ours.resolve(name)];
    if (loaded !== undefined) theirs.cache[theirs.resolve(name)] = loaded;
  }
}

function versionOf(binding: Binding): string {
  const { version } = binding.require("./package.json") as { version: string };
  return version;
}

/** TensorFlow takes its settings from the environment, once; the user's own come first. */
function setTensorflowEnvironment(threads: number): void {
  process.env["TF_NUM_INTRAOP_THREADS"] ??= String(threads);
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= "1";
}

/**
 * Registers TensorFlow's own kernels, where their package is installed.
 *
 * @param threads     per pass
 * @param bindingDir  a folder whose `node_modules` must have the package; by default it may be
 *                    where packages of this project are
 * @returns           the package whose kernels compute from here on; undefined if they are plain
 * @throws RetakeError  `engine-unavailable` if the package is there but does not load
 */
export async function loadTfjsBackend(
  threads: number,
  bindingDir: string | undefined,
): Promise<string | undefined> {
  const from =
    bindingDir === undefined ? require : createRequire(resolve(bindingDir, "package.json"));
  const binding = findBinding(from);
  if (binding === undefined) {
    if (bindingDir !== undefined) {
      throw unavailable(
        `expected ${bindings.join(" or ")} in ${bindingDir}, which RETAKE_TFJS_NODE names, got ` +
          "neither; scripts/engines/build-tfjs-node.sh builds it",
      );
    }
    // The whole package brings the plain backend, and the gradients.
    require("@tensorflow/tfjs");
    await tf.setBackend("cpu");
    return undefined;
  }
  const version = versionOf(binding);
  if (version !== tf.version_core) {
    throw unavailable(`expected ${binding.name} ${tf.version_core}, got ${version}`);
  }
  setTensorflowEnvironment(threads);
  restoreIsNullOrUndefined();
  shareTfjs(binding.require);
  try {
    binding.require(binding.name);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    const message = `expected ${binding.name} to load, got "${said}"`;
    throw unavailable(
      `${message}; remove it, or build it by scripts/engines/build-tfjs-node.sh`,
      cause,
    );
  }
  await tf.ready();
  return binding.name;
}
