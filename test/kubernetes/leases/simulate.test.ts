import { describe, expect, it } from "vitest";
import { quantile } from "./ledger.js";
import { plants } from "./plants.js";
import { simulate } from "./simulate.js";
import { leaseDurationMs } from "./world.js";

/** All of them: `npm run sim:lease`. */
const scheduleCount = 25;

/** Other seeds: `RETAKE_SEED=2001 npx vitest run test/kubernetes/leases`. */
const firstSeed = Number(process.env.RETAKE_SEED ?? 1);

describe("simulate", () => {
  it(`finds no violation in ${scheduleCount} schedules of two coordinators`, async () => {
    const takeoversMs: number[] = [];
    const counts = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + scheduleCount; seed += 1) {
      const { violations, trace, takeovers, counts: ofSeed } = await simulate(seed);
      const told = `seed ${seed}: ${violations.join("; ")}\n${trace.slice(-25).join("\n")}`;
      expect(violations, told).toEqual([]);
      takeoversMs.push(...takeovers.map(({ ableMs }) => ableMs));
      for (const [what, count] of ofSeed) counts.set(what, (counts.get(what) ?? 0) + count);
    }
    expect(quantile(takeoversMs, 0.95)).toBeLessThan(1.5 * leaseDurationMs);
    for (const what of ["pause longer than a lease", "write refused", "missed by a watch", "429"]) {
      expect(counts.get(what) ?? 0, `${what} happened`).toBeGreaterThan(5);
    }
  });

  it("runs the same for the same seed", async () => {
    expect(await simulate(firstSeed)).toEqual(await simulate(firstSeed));
  });

  it.each(plants.map((plant) => [plant.name, plant] as const))(
    "finds a bug that %s",
    async (_, plant) => {
      const seedsMax = 40;
      let found: readonly string[] = [];
      for (let seed = 1; seed <= seedsMax && found.length === 0; seed += 1) {
        found = (await simulate(seed, plant)).violations;
      }
      expect(found, `within ${seedsMax} seeds`).not.toEqual([]);
    },
  );
});
