import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import { chunksOf } from "@retake/wire";
import { type ArtifactId, decodeArtifactId } from "@retake/wire/decoders";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ArtifactCache } from "./artifact-cache.js";

const never = new AbortController().signal;
const bytesOf = (name: string): Buffer => Buffer.alloc(100, name);
const idOf = (name: string): ArtifactId =>
  decodeArtifactId(createHash("sha256").update(bytesOf(name)).digest("hex"), { subject: name });

describe("ArtifactCache", () => {
  let folder = "";
  let pulled: string[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "retake-artifacts-"));
    pulled = [];
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Serves "a", "b", "c"; under the id of "d" it serves other bytes. */
  const open = (bytesMax = 250): Promise<ArtifactCache> =>
    ArtifactCache.open({
      ...{ folder, bytesMax },
      pull: async function* (id) {
        const name = ["a", "b", "c", "d"].find((candidate) => idOf(candidate) === id) ?? "";
        pulled.push(name);
        if (name === "") throw new RetakeError(Code.NotFound, "artifact-missing", "not here");
        yield* chunksOf(bytesOf(name === "d" ? "x" : name));
      },
    });
  const text = (cache: ArtifactCache, name: string): Promise<string> =>
    cache.use(idOf(name), never, (path) => readFile(path, "utf8"));

  it("fetches what is not there, once, also for two at a time", async () => {
    const cache = await open();
    const both = await Promise.all([text(cache, "a"), text(cache, "a")]);
    expect([...both, await text(cache, "a")]).toEqual(Array(3).fill("a".repeat(100)));
    expect(pulled).toEqual(["a"]);
  });

  it("drops what was used longest ago when there is no more room", async () => {
    const cache = await open();
    for (const name of ["a", "b", "a", "c"]) await text(cache, name);
    expect(cache.bytes).toBe(200);
    expect((await readdir(folder)).sort()).toEqual([idOf("a"), idOf("c")].sort());
    await text(cache, "b");
    expect(pulled).toEqual(["a", "b", "c", "b"]);
  });

  it("keeps what is in use, whatever its size", async () => {
    const cache = await open(100);
    await cache.use(idOf("a"), never, async (path) => {
      await text(cache, "b");
      expect(await readFile(path, "utf8")).toBe("a".repeat(100));
    });
    await text(cache, "c");
    expect(await readdir(folder)).toEqual([idOf("c")]);
  });

  it("refuses other bytes than the name says, and keeps nothing of them", async () => {
    const cache = await open();
    await expect(text(cache, "d")).rejects.toMatchObject({ reason: "checksum-mismatch" });
    await expect(text(cache, "e")).rejects.toMatchObject({ reason: "artifact-missing" });
    expect([await readdir(folder), cache.bytes]).toEqual([[], 0]);
  });

  it("takes over what another process left, and fetches again what has rotted", async () => {
    const before = await open();
    await text(before, "a");
    await text(before, "b");
    await writeFile(join(folder, idOf("b")), bytesOf("x"));
    await writeFile(join(folder, `.incoming-${idOf("c")}`), "half");
    const cache = await open();
    expect([await text(cache, "a"), await text(cache, "b")]).toEqual([
      ...["a".repeat(100), "b".repeat(100)],
    ]);
    expect(pulled).toEqual(["a", "b", "b"]);
    expect((await readdir(folder)).sort()).toEqual([idOf("a"), idOf("b")].sort());
  });
});
