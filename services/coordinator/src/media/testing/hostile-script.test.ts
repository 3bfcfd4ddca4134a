import { readFile, stat, utimes, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeClip } from "../decode.js";
import { runPlain } from "../run-program.js";
import { makeNumberedVideo, temporaryFolder } from "./generated-video.js";
import { hostileScripts } from "./hostile-script.js";

const folder = await temporaryFolder();
const at = (name: string): string => join(folder, name);
const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
const canary = await makeNumberedVideo(at("canary.mp4"), { frames: 12, options: h264 });
const start = { frame: 0 };
const wish = { start, stride: 1, frames: 4, width: 64, height: 64, fit: "crop" } as const;

let contacts = 0;
let port = 0;
let server: Server;
beforeAll(async () => {
  server = createServer((socket) => {
    contacts += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterAll(() => server.close());

/** Whether `act` reads the canary, by its access time; a disk may be told not to keep those. */
async function readsCanary(act: () => Promise<unknown>): Promise<boolean> {
  const longAgo = new Date("2001-01-01");
  await utimes(canary, longAgo, longAgo);
  await act();
  return (await stat(canary)).atimeMs !== longAgo.getTime();
}
const accessIsKept = await readsCanary(async () => await readFile(canary));

describe("hostileScripts under the name of a video", () => {
  it.each(Object.entries(hostileScripts))("%s: opens nothing, contacts nobody", async (...row) => {
    const [name, content] = row;
    const path = at(`${name}.mp4`);
    await writeFile(path, content({ port, file: canary }));
    const read = await readsCanary(async () => {
      await expect(decodeClip(path, wish)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "not-a-video",
        message: expect.stringMatching(/expected a video .*, got .*; give a video file/),
      });
    });
    expect([read, contacts]).toEqual([false, 0]);
  });

  it("would do so if they could: plain ffprobe reads one canary and calls the other", async () => {
    const path = at("plain.mp4");
    await writeFile(path, hostileScripts.ffconcat?.({ port, file: canary }) ?? "");
    const bounds = { subject: "the canary", timeLimitMs: 60_000 };
    const read = await readsCanary(async () => await runPlain("ffprobe", [path], bounds));
    expect(read).toBe(accessIsKept);
    await runPlain("ffprobe", [`tcp://127.0.0.1:${port}`], bounds);
    expect(contacts).toBe(1);
  });
});

describe("decodeClip", () => {
  it("takes a name for nothing but a name", async () => {
    for (const name of ["-version", "concat:a|b", "http:%2f%2f", "a b\n;c", "%03d.mp4", "ünï 猫"]) {
      const options = [...h264, "-f", "mp4"];
      const path = await makeNumberedVideo(at(name), { frames: 4, options });
      expect((await decodeClip(path, wish)).frames).toBe(4);
    }
  });
});
