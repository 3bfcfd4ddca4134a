import { readFile } from "node:fs/promises";
import { resultsFile } from "../places.js";
import type { passFlops } from "./sd-size-edit.js";

/** Milliseconds of the passes of an edit on one node. */
export interface PassTimes {
  readonly unet: number;
  readonly gradients: number;
  /** Of one frame. */
  readonly encode: number;
  /** Of one frame. */
  readonly decode: number;
}

export interface Profile {
  readonly name: string;
  /** Where the times are from. */
  readonly note: string;
  readonly times: PassTimes;
  /** Of the U-Net's forward pass. */
  readonly flopsPerMs: number;
  /** Until a program that was never made before can run, on any machine: the CPU's work. */
  readonly loadMs: number;
}

/** An A100's, of a frame through the U-Net: derived from published figures, not measured. */
const a100FrameMs = 12.8;

function numberIn(page: string, pattern: RegExp): number {
  const found = Number(pattern.exec(page)?.[1]);
  if (found > 0) return found;
  throw new Error(`results: expected ${pattern.source}; run the bench that it is of`);
}

/** Floating-point operations a millisecond, as other benches measured them on this machine. */
function measuredRates(page: string) {
  const gflops = (row: string): number =>
    1e6 * numberIn(page, new RegExp(`^\\| ${row}.*?(\\d+) GFLOP/s`, "m"));
  const decoded = (what: string): number =>
    numberIn(page, new RegExp(`^\\| vae-decode: ${what}.*?\\|.*?\\| ([\\d.]+) `, "m"));
  return {
    unet: gflops("forward pass / authors' code"),
    gradients: gflops("tuning step with all gradients, low memory"),
    vae: (1e9 * decoded("operations")) / decoded("time"),
  };
}

/** The CPU that the benches ran on, by what they measured; and a GPU, modelled. */
export async function profiles(flops: ReturnType<typeof passFlops>): Promise<readonly Profile[]> {
  const page = await readFile(resultsFile, "utf8");
  const rates = measuredRates(page);
  const loadMs = 1000 * numberIn(page, /^\| forward: empty cache +\| ([\d.]+) s/m);
  const cpu: PassTimes = {
    unet: flops.unet / rates.unet,
    gradients: flops.gradients / rates.gradients,
    encode: flops.encode / rates.vae,
    decode: flops.decode / rates.vae,
  };
  const factor = cpu.unet / (a100FrameMs * 24);
  const gpu: PassTimes = {
    unet: cpu.unet / factor,
    gradients: cpu.gradients / factor,
    encode: cpu.encode / factor,
    decode: cpu.decode / factor,
  };
  return [
    {
      ...{ name: "CPU", times: cpu, flopsPerMs: rates.unet, loadMs },
      note: "operations counted over the graphs, at rates measured by bench:unet and bench:cost",
    },
    {
      ...{ name: "modelled GPU", times: gpu, flopsPerMs: rates.unet * factor, loadMs },
      note:
        `modelled: all times by ${factor.toFixed(0)}, so that a frame takes the U-Net ` +
        `${a100FrameMs} ms, an A100's by published figures (reference/distributed.md, 1.3)`,
    },
  ];
}
