/**
 * One pass at the size of Stable Diffusion 1.x: how long it takes, and how much memory it adds
 * while it runs. Prints one JSON object; `bench:cost` starts it.
 */
import { createEngine } from "@retake/gpu-node";
import { costPassSpec } from "./cost-passes.js";
import { cacheDir } from "./places.js";
import { ownAnonymous } from "./process-memory.js";
import { programInputs } from "./program-inputs.js";
import { openSdSize } from "./sd-size.js";

const sampleEveryMs = 5;
/** After the first, whose memory is measured. */
const timedRuns = 2;

async function main(name: string, threads: number): Promise<void> {
  const files = await openSdSize();
  const spec = costPassSpec(files, name);
  const engine = await createEngine("onnx-cpu", { threads, cacheDir });
  const part = spec.kind === "vae-decode" ? "vae" : "unet";
  const program = await engine.load(spec, files.weights[part]);
  await program.fix(await programInputs(files, spec));
  const baseline = ownAnonymous();
  let peak = baseline;
  const timer = setInterval(() => {
    peak = Math.max(peak, ownAnonymous());
  }, sampleEveryMs);
  await program.run({});
  clearInterval(timer);
  let seconds = Number.POSITIVE_INFINITY;
  for (let run = 0; run < timedRuns; run += 1) {
    const began = performance.now();
    await program.run({});
    seconds = Math.min(seconds, (performance.now() - began) / 1000);
  }
  await engine.close();
  console.log(JSON.stringify({ pass: name, seconds, baseline, memoryBytes: peak - baseline }));
}

await main(process.argv[2] ?? "forward", Number(process.argv[3] ?? 2));
