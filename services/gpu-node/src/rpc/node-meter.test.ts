import type { ProgramSpec } from "@retake/model";
import { describe, expect, it } from "vitest";
import { fakeFiles } from "../testing/fake-model.js";
import { NodeMeter } from "./node-meter.js";

const files = fakeFiles();
const unet = (frames: number, batch = 1): ProgramSpec => ({
  ...{ kind: "unet", config: files.unetConfig },
  shape: { batch, frames, height: 4, width: 2, promptTokens: 3 },
});
const took = (durationMs: number) => ({ passesAtOnce: 1, durationMs });
const durations = (meter: NodeMeter) =>
  meter.rates.passes.map(({ frames, durationMs }) => [frames, durationMs]);

describe("NodeMeter", () => {
  it("tells passes by model, kind and size in pixels", () => {
    const meter = new NodeMeter(() => 0);
    meter.onPasses(files, unet(8), took(5));
    const [pass] = meter.rates.passes;
    const pixelsPerFrame = 4 * 2 * files.latentFactor ** 2;
    expect(pass).toEqual({
      ...{ modelHash: files.hash, kind: "PASS_KIND_UNET", frames: 8, pixelsPerFrame },
      ...took(5),
    });
  });

  it("forgets the first run of a size, and then follows slowly", () => {
    const meter = new NodeMeter(() => 0);
    meter.onPasses(files, unet(8), took(900));
    expect(durations(meter)).toEqual([[8, 900]]);
    meter.onPasses(files, unet(8), took(100));
    expect(durations(meter)).toEqual([[8, 100]]);
    meter.onPasses(files, unet(8), took(200));
    expect(durations(meter)).toEqual([[8, 130]]);
  });

  it("keeps the 32 sizes that ran last, and none that is no unit of work", () => {
    const meter = new NodeMeter(() => 0);
    meter.onPasses(files, unet(1, 2), took(1));
    meter.onPasses(files, { kind: "text", config: files.textConfig, batch: 1 }, took(1));
    expect(durations(meter)).toEqual([]);
    for (let frames = 1; frames <= 33; frames += 1)
      meter.onPasses(files, unet(frames), took(frames));
    expect(durations(meter).length).toBe(32);
    expect(durations(meter)[0]).toEqual([2, 2]);
  });

  it("notes the rate of transfers that are long enough to tell", async () => {
    let nowMs = 0;
    const meter = new NodeMeter(() => nowMs);
    const transfer = async (bytes: number): Promise<void> => {
      async function* chunks() {
        nowMs += 500;
        yield { offsetBytes: 0, totalBytes: bytes, data: Buffer.alloc(bytes), crc32: 0 };
      }
      for await (const _ of meter.measured(chunks()));
    };
    await transfer(2 ** 20 - 1);
    expect(meter.rates.bytesPerSecond).toBe(0);
    await transfer(2 ** 20);
    expect(meter.rates.bytesPerSecond).toBe(2 ** 21);
  });
});
