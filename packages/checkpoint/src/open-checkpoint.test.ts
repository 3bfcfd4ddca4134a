import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "./open-checkpoint.js";
import { startFakeHub } from "./testing/fake-hub.js";
import { writeSmallCheckpoint } from "./testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "./testing/temporary-folder.js";

async function setUp() {
  const folder = await temporaryFolder();
  const root = join(folder, "tiny");
  await writeSmallCheckpoint(root);
  const hub = await startFakeHub(root);
  return { root, options: { cacheDir: join(folder, "cache"), hubUrl: hub.url } };
}

describe("openCheckpoint", () => {
  it("opens a folder and the same model on the hub, with the same hash", async () => {
    const { root, options } = await setUp();
    const local = await openCheckpoint(root, options);
    const remote = await openCheckpoint("owner/name", options);
    expect([local.name, remote.name]).toEqual(["tiny", "owner/name"]);
    expect(remote.hash).toBe(local.hash);
    expect((await openCheckpoint("owner/name@v1.0", options)).hash).toBe(local.hash);
  });

  it.each(["no-such-folder", "./a/b", "/nowhere/x", "a/b@c@d", ""])(
    "says that %j is neither a folder nor a hub id",
    async (source) => {
      const failure = await failureOf(() => openCheckpoint(source, { cacheDir: "/nowhere" }));
      expect(failure.reason).toBe("file-not-found");
      expect(failure.message).toContain("check the path");
    },
  );
});
