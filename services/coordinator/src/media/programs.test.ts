import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findPrograms, passthroughOptions, requireProgram } from "./programs.js";
import { temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();

describe("findPrograms", () => {
  it("finds what the machine has", async () => {
    const { ffmpeg, ffprobe, writesH264 } = await findPrograms();
    expect(ffmpeg).toMatchObject({
      found: true,
      libavformat: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
    expect(ffprobe).toMatchObject({ found: true });
    expect(writesH264).toBe(true);
  });

  it("says in one sentence how to get what is missing", async () => {
    const { ffmpeg, writesH264 } = await findPrograms({ env: { PATH: folder } });
    const reason = expect.stringMatching(/^ffmpeg: expected it on PATH, got nothing; install it /);
    expect(ffmpeg).toEqual({ found: false, reason });
    expect(writesH264).toBeNull();
  });

  it("takes the given path, and does not look elsewhere when it is wrong", async () => {
    const env = { ...process.env, FFPROBE_PATH: join(folder, "no") };
    const { ffprobe } = await findPrograms({ env });
    expect(ffprobe).toMatchObject({ reason: expect.stringContaining("FFPROBE_PATH=") });
  });

  it("does not take any program for ffmpeg", async () => {
    const path = join(folder, "other");
    await writeFile(path, "#!/bin/sh\necho hello\n");
    await chmod(path, 0o755);
    const { ffmpeg } = await findPrograms({ env: { FFMPEG_PATH: path } });
    expect(ffmpeg).toMatchObject({ reason: expect.stringContaining("to print its version") });
  });
});

describe("requireProgram", () => {
  it("throws ffmpeg-missing", async () => {
    const missing = requireProgram("ffprobe", { PATH: folder });
    await expect(missing).rejects.toMatchObject({ reason: "ffmpeg-missing" });
  });
});

describe("passthroughOptions", () => {
  it.each([
    ["57.83.100", "-vsync"],
    ["59.26.99", "-vsync"],
    ["59.27.100", "-fps_mode"],
    ["60.3.100", "-fps_mode"],
  ])("are for libavformat %s called %s", (libavformat, name) => {
    expect(passthroughOptions(libavformat)[0]).toBe(name);
  });
});
