import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ArtifactStore } from "../artifact-store.js";
import type { ArtifactLimits } from "../create-artifact-store.js";

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const idOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

export async function* source(...parts: readonly (string | Uint8Array)[]) {
  for (const part of parts) yield typeof part === "string" ? bytesOf(part) : part;
}

async function* brokenAfter(text: string): AsyncGenerator<Uint8Array> {
  yield bytesOf(text);
  throw new Error("the client went away");
}

export async function contentOf(bytes: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const textOf = async (store: ArtifactStore, id: string, offsetBytes = 0): Promise<string> =>
  new TextDecoder().decode(await contentOf(store.read(id, { offsetBytes })));

const bytes = bytesOf("0123456789");
const request = { id: idOf(bytes), uploader: "tenant", sizeBytes: 10, offsetBytes: 0 };

/** What every place for artifacts must do. */
export function describeArtifacts(
  name: string,
  create: (limits?: ArtifactLimits) => Promise<ArtifactStore>,
): void {
  describe(`artifacts: ${name}`, () => describeWhole(create));
  describe(`bounds of artifacts: ${name}`, () => describeBounds(create));
  describe(`uploads: ${name}`, () => describeUploads(create));
  describe(`uploaders: ${name}`, () => describeUploaders(create));
}

function describeWhole(create: (limits?: ArtifactLimits) => Promise<ArtifactStore>): void {
  it("names bytes by their SHA-256 and gives them back from any offset", async () => {
    const store = await create();
    const large = Buffer.alloc(1_000_003, "retake ");
    const artifact = await store.put(source(large.subarray(0, 10), large.subarray(10)));
    expect(artifact).toEqual({ id: idOf(large), sizeBytes: large.length });
    for (const offsetBytes of [0, 1, 262_144, 999_999, large.length]) {
      const read = await contentOf(store.read(artifact.id, { offsetBytes }));
      expect(idOf(read)).toBe(idOf(large.subarray(offsetBytes)));
    }
    const past = contentOf(store.read(artifact.id, { offsetBytes: large.length + 1 }));
    await expect(past).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("keeps an empty artifact, and the same bytes once", async () => {
    const store = await create();
    const empty = await store.put(source());
    expect(empty).toEqual({ id: idOf(new Uint8Array()), sizeBytes: 0 });
    expect(await textOf(store, empty.id)).toBe("");
    const [one, two] = await Promise.all([store.put(source("ab")), store.put(source("a", "b"))]);
    expect(one).toEqual(two);
    expect((await store.list()).map(({ id }) => id).sort()).toEqual([empty.id, one.id].sort());
  });

  it("shows nothing of a put that broke off, and keeps its bytes from nobody", async () => {
    const store = await create({ storeBytesMax: 10 });
    await expect(store.put(brokenAfter("12345678"))).rejects.toThrow("went away");
    expect(await store.list()).toEqual([]);
    expect((await store.put(source("12345678"))).sizeBytes).toBe(8);
  });

  it("refuses bytes that are not those of the id that was expected", async () => {
    const store = await create();
    const expectedId = idOf(bytesOf("other"));
    const put = store.put(source("bytes"), { expectedId });
    await expect(put).rejects.toMatchObject({ code: "DATA_LOSS", reason: "checksum-mismatch" });
    expect(await store.list()).toEqual([]);
  });
}

function describeBounds(create: (limits?: ArtifactLimits) => Promise<ArtifactStore>): void {
  it("takes an artifact and a store of the largest size, and refuses one byte more", async () => {
    const store = await create({ artifactBytesMax: 6, storeBytesMax: 10 });
    await store.put(source("123456"));
    const tooLarge = store.put(source("1234", "567"));
    await expect(tooLarge).rejects.toMatchObject({ reason: "artifact-too-large" });
    const full = store.put(source("12345"));
    await expect(full).rejects.toMatchObject({ reason: "disk-full", code: "RESOURCE_EXHAUSTED" });
    const { id } = await store.put(source("1234"));
    await expect(store.put(source("1"))).rejects.toMatchObject({ reason: "disk-full" });
    expect(await store.remove(id)).toBe(true);
    await store.put(source("4321"));
  });

  it("says what is missing, and refuses what is no id", async () => {
    const store = await create();
    const id = idOf(bytesOf("missing"));
    expect(await store.stat(id)).toBeUndefined();
    expect(await store.touch(id)).toBe(false);
    expect(await store.remove(id)).toBe(true);
    await expect(textOf(store, id)).rejects.toMatchObject({ reason: "artifact-missing" });
    for (const bad of ["", "../../etc/passwd", id.toUpperCase(), `${id}0`]) {
      await expect(store.stat(bad)).rejects.toMatchObject({ reason: "bad-id" });
      await expect(store.remove(bad)).rejects.toMatchObject({ reason: "bad-id" });
      await expect(textOf(store, bad)).rejects.toMatchObject({ reason: "bad-id" });
    }
  });

  it("leaves what was touched or put again after the garbage was decided", async () => {
    const store = await create();
    const { id } = await store.put(source("ab"));
    const stored = (await store.stat(id))?.storedUnixMs ?? 0;
    expect(await store.remove(id, { storedByUnixMs: stored - 1 })).toBe(false);
    expect(await store.touch(id)).toBe(true);
    expect((await store.stat(id))?.storedUnixMs).toBeGreaterThanOrEqual(stored);
    expect(await textOf(store, id)).toBe("ab");
    expect(await store.remove(id, { storedByUnixMs: Number.MAX_SAFE_INTEGER })).toBe(true);
    expect(await store.stat(id)).toBeUndefined();
  });
}

function describeUploads(create: (limits?: ArtifactLimits) => Promise<ArtifactStore>): void {
  it("goes on where an upload broke off, and shows it only when it is whole", async () => {
    const store = await create();
    expect(await store.received(request)).toEqual({ receivedBytes: 0, complete: false });
    await expect(store.upload(request, brokenAfter("0123"))).rejects.toThrow("went away");
    expect(await store.received(request)).toEqual({ receivedBytes: 4, complete: false });
    expect(await store.stat(request.id)).toBeUndefined();
    const more = await store.upload({ ...request, offsetBytes: 4 }, source("45", "67"));
    expect(more).toEqual({ receivedBytes: 8, complete: false });
    const done = await store.upload({ ...request, offsetBytes: 8 }, source("89"));
    expect(done).toEqual({ receivedBytes: 10, complete: true });
    expect(await textOf(store, request.id)).toBe("0123456789");
    expect(await store.received(request)).toEqual({ receivedBytes: 10, complete: true });
  });

  it("refuses to go on anywhere else", async () => {
    const store = await create();
    await store.upload(request, source("0123"));
    for (const offsetBytes of [0, 3, 5]) {
      const upload = store.upload({ ...request, offsetBytes }, source("x"));
      await expect(upload).rejects.toMatchObject({ reason: "upload-offset" });
    }
    expect((await store.received(request)).receivedBytes).toBe(4);
  });

  it("begins again after bytes that are not those of the id", async () => {
    const store = await create({ storeBytesMax: 10 });
    const wrong = store.upload(request, source("0123456780"));
    await expect(wrong).rejects.toMatchObject({ reason: "checksum-mismatch" });
    expect(await store.received(request)).toEqual({ receivedBytes: 0, complete: false });
    expect((await store.upload(request, source(bytes))).complete).toBe(true);
  });

  it("refuses bytes past the size that was said, and a size past the bound", async () => {
    const store = await create({ artifactBytesMax: 10, storeBytesMax: 15 });
    const long = store.upload(request, source("0123456789a"));
    await expect(long).rejects.toMatchObject({ reason: "artifact-too-large" });
    const large = store.upload({ ...request, sizeBytes: 11 }, source("x"));
    await expect(large).rejects.toMatchObject({ reason: "artifact-too-large" });
    await store.put(source("abcdef"));
    await expect(store.upload(request, source("x"))).rejects.toMatchObject({ reason: "disk-full" });
  });
}

function describeUploaders(create: (limits?: ArtifactLimits) => Promise<ArtifactStore>): void {
  it("lets one call at a time send an upload", async () => {
    const store = await create();
    let send: (bytes: Uint8Array) => void = () => undefined;
    const slow = new Promise<Uint8Array>((resolve) => {
      send = resolve;
    });
    const first = store.upload(
      request,
      (async function* () {
        yield bytesOf("01234");
        yield await slow;
      })(),
    );
    const second = store.upload(request, source(bytes));
    await expect(second).rejects.toMatchObject({ reason: "upload-busy" });
    send(bytesOf("56789"));
    expect((await first).complete).toBe(true);
  });

  it("keeps the uploads of two tenants apart until the file is whole", async () => {
    const store = await create();
    const other = { ...request, uploader: "other/../tenant" };
    await store.upload(request, source("01234"));
    expect(await store.received(other)).toEqual({ receivedBytes: 0, complete: false });
    await store.upload(other, source("evil "));
    expect((await store.upload({ ...request, offsetBytes: 5 }, source("56789"))).complete).toBe(
      true,
    );
    expect(await textOf(store, request.id)).toBe("0123456789");
  });

  it("drops uploads to which nothing has come for long, and gives their room back", async () => {
    const store = await create({ storeBytesMax: 10 });
    await store.upload(request, source("012345678"));
    expect(await store.dropUploads({ receivedByUnixMs: 0 })).toBe(0);
    expect(await store.dropUploads({ receivedByUnixMs: Number.MAX_SAFE_INTEGER })).toBe(1);
    expect((await store.received(request)).receivedBytes).toBe(0);
    await store.put(source(bytes));
  });
}
