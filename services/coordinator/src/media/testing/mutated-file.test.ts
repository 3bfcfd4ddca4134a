import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { RetakeError } from "@retake/errors";
import { describe, expect, it } from "vitest";
import { decodeClip } from "../decode.js";
import { makeWithFfmpeg, seededRandom, smallVideos, temporaryFolder } from "./generated-video.js";
import { mutated } from "./mutated-file.js";

/** RETAKE_SLOW=1 runs all; RETAKE_SEED runs others, or one that failed again. */
const cases = process.env.RETAKE_SLOW === "1" ? 1000 : 60;
const firstSeed = Number(process.env.RETAKE_SEED ?? 1);
const caseTimeMaxMs = 60_000;
const folder = await temporaryFolder();

describe("mutated", () => {
  it("gives the same bytes for the same seed, and others for another", () => {
    const original = Buffer.alloc(4000, 7);
    const [one, other] = [1, 2].map((seed) => mutated(original, seededRandom(seed)));
    expect(mutated(original, seededRandom(1))).toEqual(one);
    expect(other).not.toEqual(one);
  });
});

describe("decodeClip of a mutated file", () => {
  it(`ends in frames or a typed error, ${cases} times`, { timeout: 3_600_000 }, async () => {
    const originals = await Promise.all(
      Object.entries(smallVideos).map(async ([name, options]) => {
        const path = await makeWithFfmpeg(join(folder, name), options);
        return { name, bytes: await readFile(path) };
      }),
    );
    const tally = new Map<string, number>();
    let slowestMs = 0;
    let next = firstSeed;
    const work = async (): Promise<void> => {
      for (let seed = next++; seed < firstSeed + cases; seed = next++) {
        const original = originals[seed % originals.length];
        if (original === undefined) throw new Error("no videos were made");
        const { outcome, tookMs } = await decodeMutated(original, seed);
        tally.set(outcome, (tally.get(outcome) ?? 0) + 1);
        slowestMs = Math.max(slowestMs, tookMs);
      }
    };
    await Promise.all([work(), work()]);
    const counts = [...tally].sort((one, other) => other[1] - one[1]);
    console.log(`${cases} mutated files, slowest ${Math.round(slowestMs)} ms`, counts);
    expect([...tally.values()].reduce((sum, count) => sum + count, 0)).toBe(cases);
    expect(slowestMs).toBeLessThan(caseTimeMaxMs);
  });
});

async function decodeMutated(
  original: { readonly name: string; readonly bytes: Buffer },
  seed: number,
): Promise<{ outcome: string; tookMs: number }> {
  const place = join(folder, String(seed));
  await mkdir(place);
  const path = join(place, `clip${extname(original.name)}`);
  await writeFile(path, mutated(original.bytes, seededRandom(seed)));
  const startedMs = performance.now();
  const fit = (["crop", "letterbox", "stretch"] as const)[seed % 3] ?? "crop";
  const shape = { frames: 4, width: 40, height: 48, fit };
  const start = seed % 5 === 0 ? { seconds: 0.3 } : { frame: seed % 4 };
  const options = { ...shape, start, stride: 1 + (seed % 3), timeLimitMs: caseTimeMaxMs / 4 };
  const outcome = await decodeClip(path, options).then(
    (clip) => {
      expect(clip.pixels.length).toBe(4 * 48 * 40 * 3);
      return clip.damage === null ? "frames" : "frames, with damage named";
    },
    (thrown: unknown) => {
      if (thrown instanceof RetakeError && isForPeople(thrown)) return thrown.reason;
      throw new Error(`RETAKE_SEED=${seed} (${original.name})`, { cause: thrown });
    },
  );
  await rm(place, { recursive: true });
  return { outcome, tookMs: performance.now() - startedMs };
}

function isForPeople({ reason, message }: RetakeError): boolean {
  const tells = /expected .*, got .*; /s.test(message);
  return (
    reason !== "bug" && reason !== "stopped" && tells && !/\n\s+at |undefined|NaN/.test(message)
  );
}
