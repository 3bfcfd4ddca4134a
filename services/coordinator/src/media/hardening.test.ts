import { stat, utimes, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeClip } from "./decode.js";
import { runPlain } from "./run-program.js";
import { makeNumberedVideo, temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();
const at = (name: string): string => join(folder, name);
const longAgo = new Date("2001-01-01");
let contacts = 0;
let port = 0;
let canary = "";
let server: Server;

beforeAll(async () => {
  server = createServer((socket) => {
    contacts += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
  canary = await makeNumberedVideo(at("canary.mp4"), {
    frames: 12,
    options: ["-c:v", "libx264", "-pix_fmt", "yuv420p"],
  });
});
afterAll(() => server.close());

/** Files that name other files: what they say, under a name that says mp4. */
const scripts: readonly (readonly [string, () => string])[] = [
  ["hls", () => `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:${port}/a.ts\n`],
  ["hls-file", () => `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:${canary}\n`],
  [
    "hls-key",
    () =>
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n" +
      `#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:${port}/key"\n#EXTINF:1,\ncanary.mp4\n`,
  ],
  ["ffconcat", () => `ffconcat version 1.0\nfile '${basename(canary)}'\n`],
  ["concat", () => `file '${canary}'\n`],
  ["sdp", () => `v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video ${port} RTP/AVP 96\n`],
  ["dash", () => `<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:${port}/</BaseURL></MPD>`],
  ["lavfi", () => `movie=${canary}`],
  ["asx", () => `<ASX version="3.0"><Entry><Ref href="http://127.0.0.1:${port}/"/></Entry></ASX>`],
  ["url", () => `http://127.0.0.1:${port}/clip.mp4\n`],
  ["avisynth", () => `DirectShowSource("${canary}")`],
  ["image2", () => `/tmp/%d.png`],
];
const wish = {
  start: { frame: 0 },
  stride: 1,
  frames: 4,
  width: 64,
  height: 64,
  fit: "crop",
} as const;

describe("a script or playlist under the name of a video", () => {
  it.each(scripts)("%s opens no other file and contacts nobody", async (name, content) => {
    const path = at(`${name}.mp4`);
    await writeFile(path, content());
    await utimes(canary, longAgo, longAgo);
    const before = (await stat(canary)).atimeMs;
    await expect(decodeClip(path, wish)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "not-a-video",
      message: expect.stringMatching(/expected a video .*, got .*; give a video file/),
    });
    expect((await stat(canary)).atimeMs).toBe(before);
    expect(contacts).toBe(0);
  });

  it("would be noticed: the listener counts, and without our options the canary is read", async () => {
    const path = at("ffconcat.mp4");
    await writeFile(path, `ffconcat version 1.0\nfile '${basename(canary)}'\n`);
    let printed = "";
    await runPlain("ffprobe", ["-v", "error", "-show_entries", "stream=width", path], {
      ...{ subject: "the canary", timeLimitMs: 60_000 },
      onOutput: (bytes) => {
        printed += Buffer.from(bytes).toString();
        return true;
      },
    });
    expect(printed).toContain("width=64");
    const url = `tcp://127.0.0.1:${port}`;
    await runPlain("ffprobe", ["-v", "error", url], { subject: url, timeLimitMs: 60_000 });
    expect(contacts).toBe(1);
  });
});

describe("a name", () => {
  it("of any kind is only a name", async () => {
    for (const name of ["-version", "concat:a|b", "http:%2f%2f", "a b\n;c", "%03d.mp4", "ünï 猫"]) {
      const path = await makeNumberedVideo(at(name), {
        frames: 4,
        options: ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mp4"],
      });
      expect((await decodeClip(path, wish)).frames).toBe(4);
    }
  });
});
