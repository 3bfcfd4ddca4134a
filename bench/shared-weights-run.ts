/**
 * Samples from a checkpoint of the size of Stable Diffusion 1.x, and stands still after each
 * stage until a line comes in, so that `bench:shared-weights` can look at its memory.
 */
import { createInterface } from "node:readline";
import { createEngine, startTensors } from "@retake/gpu-node";
import { timestepRows } from "@retake/model";
import { timestepSinusoid } from "@retake/model/diffusion";
import { cacheDir } from "./places.js";
import { openSdSize } from "./sd-size.js";
import { figureSizes, passSpec, randomLatents, randomPrompt } from "./sd-size-pass.js";

const timestep = 481;

async function main(threads: number): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const standStill = async (stage: string): Promise<void> => {
    console.log(stage);
    await lines.next();
  };
  const files = await openSdSize();
  const engine = await createEngine("onnx-cpu", { threads, cacheDir });
  await standStill("opened");
  const spec = passSpec(files, "forward", figureSizes.forward);
  const program = await engine.load(spec, files.weights.unet);
  await standStill("loaded");
  const tensors = await startTensors(files, { seed: 33, temporalStart: "authors" });
  await standStill("read");
  await program.fix(tensors);
  await standStill("fixed");
  const rows = Array.from({ length: timestepRows(1) }, () => timestep);
  const sinusoid = timestepSinusoid(files.unetConfig, rows);
  const latents = randomLatents(files, figureSizes.forward);
  // The two branches of one iteration with guidance.
  for (let branch = 0; branch < 2; branch += 1) {
    await program.run({
      ...{ latents, prompt: randomPrompt(files) },
      timestepSinusoid: { shape: [rows.length, sinusoid.length / rows.length], data: sinusoid },
    });
  }
  await standStill("sampled");
  await engine.close();
  process.exit(0);
}

await main(Number(process.argv[2] ?? 2));
