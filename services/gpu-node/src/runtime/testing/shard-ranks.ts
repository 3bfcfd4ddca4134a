import type { UNetSpec } from "@retake/model";
import type { ExchangeRound, Exchanger, HostTensors, WeightLocations } from "../engine.js";
import type { Runner } from "../runner.js";

/** Exchanges in memory: a round is over for a rank once all that it waits for was given. */
export function memoryExchangers(ranks: number): readonly Exchanger[] {
  const sent = new Map<string, Float32Array[]>();
  const waiting = new Map<string, (message: Float32Array) => void>();
  const give = (key: string, message: Float32Array): void => {
    const taker = waiting.get(key);
    waiting.delete(key);
    if (taker !== undefined) taker(message);
    else sent.set(key, [...(sent.get(key) ?? []), message]);
  };
  const take = (key: string): Promise<Float32Array> => {
    const [message, ...others] = sent.get(key) ?? [];
    sent.set(key, others);
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => waiting.set(key, resolve));
  };
  return Array.from({ length: ranks }, (_, rank) => ({ sends, lengths }: ExchangeRound) => {
    sends.forEach((message, to) => {
      if (message.length > 0) give(`${rank}>${to}`, message);
    });
    return Promise.all(
      lengths.map(async (length, from) => {
        return length === 0 ? new Float32Array(0) : take(`${from}>${rank}`);
      }),
    );
  });
}

/** What each rank of a divided pass says that the whole clip's noise is. */
export async function shardedResults(
  runner: Runner,
  spec: UNetSpec,
  given: {
    readonly frameCounts: readonly number[];
    readonly weights: WeightLocations;
    readonly inputs: HostTensors;
  },
): Promise<readonly HostTensors[]> {
  const { frameCounts, weights, inputs } = given;
  const programs = [];
  for (const rank of frameCounts.keys()) {
    programs.push(await runner.load({ ...spec, shard: { rank, frameCounts } }, weights));
  }
  const exchangers = memoryExchangers(frameCounts.length);
  try {
    return await Promise.all(
      programs.map((program, rank) => program.run(inputs, {}, exchangers[rank])),
    );
  } finally {
    for (const program of programs) await program.close();
  }
}
