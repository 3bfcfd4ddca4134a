import { existsSync } from "node:fs";
import { readdir, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openFolderArtifacts } from "./folder-artifacts.js";
import { putAbandonedMs } from "./limits.js";
import {
  bytesOf,
  contentOf,
  describeArtifacts,
  idOf,
  source,
} from "./testing/artifact-contract.js";
import { temporaryFolder } from "./testing/nats-program.js";

let root: Awaited<ReturnType<typeof temporaryFolder>>;
let count = 0;
const freshFolder = () => join(root.path, String(count++));

beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => root.remove());

describeArtifacts("in a folder", (limits) => openFolderArtifacts(freshFolder(), limits));

describe("openFolderArtifacts", () => {
  const bytes = bytesOf("0123456789");
  const request = { id: idOf(bytes), uploader: "tenant", sizeBytes: 10, offsetBytes: 0 };

  it("finds again what an earlier process put and what it had received", async () => {
    const folder = freshFolder();
    const first = await openFolderArtifacts(folder);
    const { id } = await first.put(source("whole"));
    await first.upload(request, source("01234"));
    const second = await openFolderArtifacts(folder);
    expect(new TextDecoder().decode(await contentOf(second.read(id)))).toBe("whole");
    expect((await second.received(request)).receivedBytes).toBe(5);
    const done = await second.upload({ ...request, offsetBytes: 5 }, source("56789"));
    expect(done.complete).toBe(true);
  });

  it("leaves what the coordinator that leads is putting to it, when another opens it", async () => {
    const folder = freshFolder();
    const leading = await openFolderArtifacts(folder);
    let goOn = (): void => {};
    const opened = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    async function* slowly() {
      yield* source("first ");
      await opened;
      yield* source("last");
    }
    const putting = leading.put(slowly());
    while ((await readdir(join(folder, "parts"))).length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const standby = await openFolderArtifacts(folder);
    goOn();
    const { id } = await putting;
    expect(new TextDecoder().decode(await contentOf(standby.read(id)))).toBe("first last");
  });

  it("counts what is there against its bound, and drops what a killed put left", async () => {
    const folder = freshFolder();
    await (await openFolderArtifacts(folder)).put(source("123456"));
    await writeFile(join(folder, "parts", "put-of-a-dead-process"), "12345678");
    const nowUnixMs = (): number => Date.now() + putAbandonedMs + 1;
    const store = await openFolderArtifacts(folder, { storeBytesMax: 10, nowUnixMs });
    expect(await readdir(join(folder, "parts"))).toEqual([]);
    await store.put(source("abcd"));
    await expect(store.put(source("x"))).rejects.toMatchObject({ reason: "disk-full" });
  });

  it("finds damage that a crash did to a half-sent upload, and begins it again", async () => {
    const folder = freshFolder();
    const first = await openFolderArtifacts(folder);
    await first.upload(request, source("01234"));
    const [part = ""] = await readdir(join(folder, "parts"));
    await writeFile(join(folder, "parts", part), "01\0\0\0");
    const second = await openFolderArtifacts(folder);
    const wrong = second.upload({ ...request, offsetBytes: 5 }, source("56789"));
    await expect(wrong).rejects.toMatchObject({ reason: "checksum-mismatch" });
    expect((await second.upload(request, source(bytes))).complete).toBe(true);
  });

  it("tells the age by the file's time", async () => {
    const folder = freshFolder();
    const store = await openFolderArtifacts(folder);
    const { id } = await store.put(source("old"));
    const old = new Date("2020-01-01");
    await utimes(join(folder, "artifacts", id), old, old);
    expect(await store.list()).toEqual([{ id, sizeBytes: 3, storedUnixMs: old.getTime() }]);
    expect(await store.remove(id, { storedByUnixMs: old.getTime() - 1 })).toBe(false);
    await store.put(source("old"));
    expect(await store.remove(id, { storedByUnixMs: old.getTime() })).toBe(false);
  });

  it.skipIf(!existsSync("/dev/full"))("says that the disk is full", async () => {
    const folder = freshFolder();
    const store = await openFolderArtifacts(folder);
    await store.upload(request, source(""));
    const [part = ""] = await readdir(join(folder, "parts"));
    const full = await openFolderArtifacts(folder);
    await full.dropUploads({ receivedByUnixMs: Number.MAX_SAFE_INTEGER });
    await symlink("/dev/full", join(folder, "parts", part));
    const upload = full.upload(request, source("0123"));
    await expect(upload).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED", reason: "disk-full" });
  });
});
