import type { ProgramSpec } from "@retake/model";
import type { Chunk } from "@retake/wire/artifact";
import { type NodeRates, PassKind, type PassTime } from "@retake/wire/membership";
import { measureRate } from "../tasks/measure-rate.js";
import type { ModelFiles } from "../tasks/model-files.js";
import type { Model, PassesTime, PassTimer } from "../tasks/open-model.js";

/** Shorter transfers say more about the round trip than about the rate. */
const measuredBytesMin = 2 ** 20;
/** How much of a new round trip counts: about the last ten. */
const roundTripShare = 0.1;
/** How much of a new pass counts: about the last three. */
const passShare = 0.3;
/** Kinds and sizes of passes that are told; the one that ran longest ago goes first. */
const passesMax = 32;
const latentSide = 16;

interface KnownPass {
  readonly time: PassTime;
  /** How often it ran: the first run is slower, since the engine makes its buffers. */
  readonly runs: number;
}

/** What a node says of its speed; 0 where it has not been measured. */
export class NodeMeter implements PassTimer {
  readonly nowMs: () => number;
  /** From the least to the most recently run. */
  readonly #passes = new Map<string, KnownPass>();
  #rates: Omit<NodeRates, "passes"> = { flopsPerSecond: 0, bytesPerSecond: 0, roundTripMs: 0 };

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  get rates(): NodeRates {
    return { ...this.#rates, passes: [...this.#passes.values()].map(({ time }) => time) };
  }

  /** Measures how fast a model runs here; whoever plans knows the others' cost by it. */
  async measure(model: Model): Promise<void> {
    const flopsPerSecond = await measureRate(model, { side: latentSide, nowMs: this.nowMs });
    this.#rates = { ...this.#rates, flopsPerSecond };
  }

  onRoundTrip(durationMs: number): void {
    const before = this.#rates.roundTripMs || durationMs;
    const roundTripMs = before + (durationMs - before) * roundTripShare;
    this.#rates = { ...this.#rates, roundTripMs };
  }

  onPasses(files: ModelFiles, spec: ProgramSpec, { passesAtOnce, durationMs }: PassesTime): void {
    const pass = passOf(files, spec);
    if (pass === undefined) return;
    const key = JSON.stringify(pass);
    const known = this.#passes.get(key);
    const before = known !== undefined && known.runs > 1 ? known.time.durationMs : durationMs;
    const time = { ...pass, passesAtOnce, durationMs: before + (durationMs - before) * passShare };
    this.#passes.delete(key);
    this.#passes.set(key, { time, runs: (known?.runs ?? 0) + 1 });
    for (const oldest of this.#passes.keys()) {
      if (this.#passes.size <= passesMax) break;
      this.#passes.delete(oldest);
    }
  }

  /** A transfer, as it is: its rate is noted when it has ended. */
  async *measured(chunks: AsyncIterable<Chunk | undefined>): AsyncGenerator<Chunk | undefined> {
    const beganMs = this.nowMs();
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk?.data.length ?? 0;
      yield chunk;
    }
    if (bytes < measuredBytesMin) return;
    const bytesPerSecond = (bytes * 1000) / Math.max(1, this.nowMs() - beganMs);
    this.#rates = { ...this.#rates, bytesPerSecond };
  }
}

type Pass = Omit<PassTime, "durationMs" | "passesAtOnce">;

/** The pass of a program, as plans know it; none for those that are no unit of work. */
function passOf(files: ModelFiles, spec: ProgramSpec): Pass | undefined {
  const { hash: modelHash, latentFactor } = files;
  const area = latentFactor ** 2;
  switch (spec.kind) {
    case "unet":
    case "unet-gradients": {
      const { batch, frames, height, width } = spec.shape;
      if (batch !== 1) return undefined;
      const isForward = spec.kind === "unet";
      const kind = isForward ? PassKind.PASS_KIND_UNET : PassKind.PASS_KIND_GRADIENTS;
      return { modelHash, kind, frames, pixelsPerFrame: height * width * area };
    }
    case "vae-encode": {
      const { frames, height, width } = spec;
      return { modelHash, kind: PassKind.PASS_KIND_ENCODE, frames, pixelsPerFrame: height * width };
    }
    case "vae-decode": {
      const { frames, height, width } = spec;
      const pixelsPerFrame = height * width * area;
      return { modelHash, kind: PassKind.PASS_KIND_DECODE, frames, pixelsPerFrame };
    }
    default:
      return undefined;
  }
}
