import { describe, expect, it } from "vitest";
import { plants } from "./plants.js";
import { simulate } from "./simulate.js";

const seedCount = 10_000;

/** Other seeds: `RETAKE_SEED=20001 npx vitest run test/sim`. */
const firstSeed = Number(process.env.RETAKE_SEED ?? 1);

describe("simulate", () => {
  it(`finds no violation in ${seedCount} seeds`, () => {
    const counts = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + seedCount; seed += 1) {
      const { violations, trace, counts: ofSeed } = simulate(seed);
      const told = `seed ${seed}: ${violations.join("; ")}\n${trace.slice(-25).join("\n")}`;
      expect(violations, told).toEqual([]);
      for (const [what, count] of ofSeed) counts.set(what, (counts.get(what) ?? 0) + count);
    }
    for (const fault of [
      ...["node killed", "coordinator killed", "stopped node", "stopped coor", "cut message"],
      ...["dropped message", "doubled message", "late message", "clock jump", "slow disk"],
      ...["write to a full store", "full disk of a node", "corrupted shard", "drain", "all killed"],
      ...["branch by a peer", "branch peer lost", "peer called back"],
      ...["step computed again", "state from a snapshot", "state from a peer"],
      ...["fenced coordinator", "takeover", "retried edit", "refused: quorum-stale"],
      ...["refused: step-stale", "refused: task-stale", "edit canceled", "edit failed"],
      ...["refused: memory-short", "smaller passes"],
    ]) {
      expect(counts.get(fault) ?? 0, `${fault} happened`).toBeGreaterThan(10);
    }
  });

  it("runs the same for the same seed", () => {
    for (const seed of [firstSeed, firstSeed + 1, firstSeed + 2]) {
      expect(simulate(seed)).toEqual(simulate(seed));
    }
  });

  it.each(plants.map((plant) => [plant.name, plant] as const))(
    "finds a bug that %s",
    (_, plant) => {
      const seedsMax = 1_500;
      let found: readonly string[] = [];
      for (let seed = 1; seed <= seedsMax && found.length === 0; seed += 1) {
        found = simulate(seed, plant).violations;
      }
      expect(found, `within ${seedsMax} seeds`).not.toEqual([]);
    },
  );
});
