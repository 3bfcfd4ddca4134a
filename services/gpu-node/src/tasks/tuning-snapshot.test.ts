import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "@retake/checkpoint";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readSnapshot, type TuningSnapshot, writeSnapshot } from "./tuning-snapshot.js";

const snapshot: TuningSnapshot = {
  state: {
    weights: new Float32Array([1, 2]),
    firstMoment: new Float32Array([3, 4]),
    secondMoment: new Float32Array([5, 6]),
  },
  journal: { step: 2, attempts: 3, losses: [0.1, 1 / 3], numericsIds: ["a"] },
};

describe("readSnapshot", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "retake-snapshot-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const place = () => ({ path: join(folder, "s.safetensors"), settingsHash: "h" });

  it("gives back what was written, to the bit", async () => {
    await writeSnapshot(place(), snapshot);
    expect(await readSnapshot(place(), 2)).toEqual(snapshot);
  });

  it("gives nothing where there is none", async () => {
    expect(await readSnapshot(place(), 2)).toBeUndefined();
  });

  it("refuses another tuning's, another network's and another kind of file", async () => {
    await writeSnapshot(place(), snapshot);
    const other = readSnapshot({ ...place(), settingsHash: "x" }, 2);
    await expect(other).rejects.toMatchObject({ reason: "snapshot-mismatch" });
    await expect(readSnapshot(place(), 3)).rejects.toMatchObject({ reason: "file-malformed" });
    await writeSafetensors(place().path, new Map());
    await expect(readSnapshot(place(), 2)).rejects.toMatchObject({ reason: "snapshot-mismatch" });
    await writeFile(place().path, "text");
    await expect(readSnapshot(place(), 2)).rejects.toMatchObject({ reason: "file-truncated" });
  });

  it.each([
    "no JSON",
    "[]",
    '{"step":2,"attempts":1,"losses":[],"numericsIds":[]}',
    '{"step":-1,"attempts":1,"losses":[],"numericsIds":[]}',
    '{"step":0.5,"attempts":1,"losses":[],"numericsIds":[]}',
    '{"step":1,"attempts":1,"losses":["x"],"numericsIds":[]}',
    '{"step":1,"attempts":1,"losses":[],"numericsIds":[1]}',
  ])("refuses the journal %s", async (journal) => {
    const shape = [2];
    const tensors = Object.entries(snapshot.state).map(
      ([name, data]) => [name, { shape, data: data as Float32Array }] as const,
    );
    const metadata = { format: "retake-snapshot", version: "1", settings_hash: "h", journal };
    await writeSafetensors(place().path, new Map(tensors), new Map(Object.entries(metadata)));
    await expect(readSnapshot(place(), 2)).rejects.toMatchObject({ reason: "file-malformed" });
  });
});
