import type { Chunk } from "@retake/wire/artifact";
import type { NodeRates } from "@retake/wire/membership";
import { measureRate } from "../tasks/measure-rate.js";
import type { Model } from "../tasks/open-model.js";

/** Shorter transfers say more about the round trip than about the rate. */
const measuredBytesMin = 2 ** 20;
/** How much of a new round trip counts: about the last ten. */
const roundTripShare = 0.1;
const latentSide = 16;

/** What a node says of its speed; 0 where it has not been measured. */
export class NodeMeter {
  readonly #nowMs: () => number;
  #rates: NodeRates;

  constructor(flopsPerSecond: number, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#rates = { flopsPerSecond, bytesPerSecond: 0, roundTripMs: 0 };
  }

  get rates(): NodeRates {
    return this.#rates;
  }

  onRoundTrip(durationMs: number): void {
    const before = this.#rates.roundTripMs || durationMs;
    const roundTripMs = before + (durationMs - before) * roundTripShare;
    this.#rates = { ...this.#rates, roundTripMs };
  }

  /** A transfer, as it is: its rate is noted when it has ended. */
  async *measured(chunks: AsyncIterable<Chunk | undefined>): AsyncGenerator<Chunk | undefined> {
    const beganMs = this.#nowMs();
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk?.data.length ?? 0;
      yield chunk;
    }
    if (bytes < measuredBytesMin) return;
    const bytesPerSecond = (bytes * 1000) / Math.max(1, this.#nowMs() - beganMs);
    this.#rates = { ...this.#rates, bytesPerSecond };
  }
}

/** Measures how fast the first model runs here; whoever plans knows the others' cost by it. */
export async function measuredRates(
  [model]: readonly Model[],
  nowMs: () => number,
): Promise<NodeMeter> {
  const flopsPerSecond =
    model === undefined ? 0 : await measureRate(model, { side: latentSide, nowMs });
  return new NodeMeter(flopsPerSecond, nowMs);
}
