import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { runFfmpeg, runPlain } from "./run-program.js";

const bounds = { subject: "testing", timeLimitMs: 60_000 };

describe("runPlain", () => {
  it("gives the output, how it ended, and the complaints", async () => {
    const chunks: Uint8Array[] = [];
    const end = await runPlain("/bin/sh", ["-c", "echo out; echo bad >&2; exit 3"], {
      ...bounds,
      onOutput: (bytes) => chunks.push(bytes) > 0,
    });
    expect(Buffer.concat(chunks).toString()).toBe("out\n");
    expect(end).toEqual({ exit: expect.stringContaining("code 3"), complaints: "bad" });
  });

  it("kills a program that takes too long", async () => {
    const end = runPlain("/bin/sleep", ["600"], { ...bounds, timeLimitMs: 50 });
    await expect(end).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", reason: "ffmpeg-failed" });
  });

  it("kills a program when the signal aborts, and starts none when it already has", async () => {
    const controller = new AbortController();
    const end = runPlain("/bin/sleep", ["600"], { ...bounds, signal: controller.signal });
    controller.abort();
    await expect(end).rejects.toMatchObject({ code: "CANCELED", reason: "stopped" });
    const never = runPlain("/nonexistent", [], { ...bounds, signal: controller.signal });
    await expect(never).rejects.toMatchObject({ reason: "stopped" });
  });

  it("kills a program that prints more than is wanted", async () => {
    let bytes = 0;
    const end = await runPlain("/bin/cat", ["/dev/zero"], {
      ...bounds,
      onOutput: (chunk) => {
        bytes += chunk.length;
        return bytes < 1000;
      },
    });
    expect(end.exit).toContain("SIGKILL");
    expect(bytes).toBeLessThan(10_000_000);
  });

  it("says so when a program crashes", async () => {
    const end = runPlain("/bin/sh", ["-c", "kill -SEGV $$"], bounds);
    await expect(end).rejects.toMatchObject({
      reason: "ffmpeg-failed",
      message: expect.stringContaining("got SIGSEGV; update ffmpeg"),
    });
  });

  it("says so when a program does not start", async () => {
    const end = runPlain("/nonexistent/ffprobe", [], bounds);
    await expect(end).rejects.toMatchObject({ reason: "ffmpeg-failed", code: "UNAVAILABLE" });
  });
});

describe("runFfmpeg", () => {
  const io = { options: ["-f", "null"], output: "-" };

  it("passes on why its input failed, and does not take it for the end", async () => {
    const source = Readable.from(
      (function* broken(): Generator<Uint8Array> {
        yield new Uint8Array(48);
        throw new Error("frame 1 is missing");
      })(),
      { objectMode: false },
    );
    const options = ["-v", "error", "-f", "rawvideo", "-pixel_format", "rgb24"];
    const inputs = [{ source, options: [...options, "-video_size", "4x4"] }];
    await expect(runFfmpeg("ffmpeg", { ...io, inputs }, bounds)).rejects.toThrow(
      "frame 1 is missing",
    );
  });

  it("reports a program that ends before it has read its input", async () => {
    const source = Readable.from([new Uint8Array(50_000_000)], { objectMode: false });
    const inputs = [{ source, options: ["-v", "error", "-f", "no-such-format"] }];
    const end = await runFfmpeg("ffmpeg", { ...io, inputs }, bounds);
    expect(end.exit).toContain("exited with code");
    expect(end.complaints).toContain("no-such-format");
  });
});
