import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { SHARE_ENV, Worker } from "node:worker_threads";

/** The worker's entry is always the built one, also when tests run the sources. */
const workerUrl = pathToFileURL(
  createRequire(import.meta.url).resolve("@retake/gpu-node/engine-worker"),
);

let spare: Worker | undefined;

function startWorker(): Worker {
  // TensorFlow knows its threads from the process's environment: the worker sets it.
  const worker = new Worker(workerUrl, { env: SHARE_ENV });
  worker.unref();
  return worker;
}

/**
 * Starts an engine's worker before it is known which engine it will be, so that it loads its
 * libraries, which takes half a second, while others read files. It does not keep a process alive.
 */
export function startSpareWorker(): void {
  spare ??= startWorker();
}

/** A worker that no engine has: the spare one, if there is one. */
export function takeWorker(): Worker {
  const worker = spare ?? startWorker();
  spare = undefined;
  return worker;
}
