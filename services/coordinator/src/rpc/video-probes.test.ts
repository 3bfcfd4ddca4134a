import { describe, expect, it } from "vitest";
import type { VideoInfo } from "../media/probe-output.js";
import { VideoProbes } from "./video-probes.js";

/** Probes that end when they are told to. */
function slowProbes() {
  const begun: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const probes = new VideoProbes((videoId) => {
    begun.push(videoId);
    return new Promise((resolve, reject) => {
      ends.set(videoId, (error) =>
        error === undefined ? resolve({ width: 1 } as VideoInfo) : reject(error),
      );
    });
  });
  return { begun, probes, end: (videoId: string, error?: Error) => ends.get(videoId)?.(error) };
}

describe("VideoProbes", () => {
  it("looks at a video once, however many ask", async () => {
    const { begun, probes, end } = slowProbes();
    const asked = [probes.of("a"), probes.of("a")];
    end("a");
    expect(await Promise.all(asked)).toEqual([{ width: 1 }, { width: 1 }]);
    await probes.of("a");
    expect(begun).toEqual(["a"]);
  });

  it("looks at two at a time, and at the next when one is done", async () => {
    const { begun, probes, end } = slowProbes();
    const asked = ["a", "b", "c", "d"].map((videoId) => probes.of(videoId));
    expect(begun).toEqual(["a", "b"]);
    end("b");
    await asked[1];
    await Promise.resolve();
    expect(begun).toEqual(["a", "b", "c"]);
    for (const videoId of ["a", "c"]) end(videoId);
    await Promise.all([asked[0], asked[2]]);
    await Promise.resolve();
    end("d");
    await asked[3];
  });

  it("looks again at what could not be looked at", async () => {
    const { begun, probes, end } = slowProbes();
    const asked = probes.of("a");
    end("a", new Error("unreadable"));
    await expect(asked).rejects.toThrow("unreadable");
    const again = probes.of("a");
    end("a");
    await again;
    expect(begun).toEqual(["a", "a"]);
  });
});
