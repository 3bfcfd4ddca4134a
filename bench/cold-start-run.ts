/**
 * Opens a checkpoint of the size of Stable Diffusion 1.x and loads one program of it, in a
 * process of its own. Prints one JSON object; `bench:cold-start` starts it.
 */
import { parseArgs } from "node:util";
import { createEngine } from "@retake/gpu-node";
import { cacheDir } from "./places.js";
import { openSdSize } from "./sd-size.js";
import { figureSizes, passKind, passSpec } from "./sd-size-pass.js";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      what: { type: "string", default: "forward" },
      cache: { type: "string", default: cacheDir },
      threads: { type: "string", default: "2" },
    },
  });
  const kind = passKind(values.what);
  const began = performance.now();
  const files = await openSdSize(values.cache);
  const opened = performance.now();
  const engine = await createEngine("onnx-cpu", {
    threads: Number(values.threads),
    cacheDir: values.cache,
  });
  await engine.load(passSpec(files, kind, figureSizes[kind]), files.weights.unet);
  const loaded = performance.now();
  await engine.close();
  const seconds = {
    // The clock starts with the process.
    start: began / 1000,
    open: (opened - began) / 1000,
    load: (loaded - opened) / 1000,
    total: loaded / 1000,
  };
  console.log(JSON.stringify({ what: kind, seconds }));
}

await main();
