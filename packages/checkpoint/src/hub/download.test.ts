import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fakeCommit, startFakeHub } from "../testing/fake-hub.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { downloadFile } from "./download.js";

const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
const value = createHash("sha256").update(content).digest("hex");
const file = {
  path: "big.bin",
  byteLength: content.byteLength,
  hash: { kind: "sha256", value },
} as const;

async function setUp() {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "served"));
  await writeFile(join(folder, "served", file.path), content);
  const hub = await startFakeHub(join(folder, "served"));
  const target = join(folder, "got", file.path);
  let bytes = 0;
  const options = {
    name: "owner/name",
    hubUrl: hub.url,
    retryDelayMs: 1,
    onBytes: (count: number) => {
      bytes += count;
    },
  };
  const url = `${hub.url}/owner/name/resolve/${fakeCommit}/${file.path}`;
  const bring = (more: { token?: string; signal?: AbortSignal } = {}) =>
    downloadFile(url, { file, target }, { ...options, ...more });
  return { hub, target, bring, bytes: () => bytes, folder: join(folder, "got"), url, options };
}

describe("downloadFile", () => {
  it("brings the file, and counts its bytes", async () => {
    const { target, bring, bytes, folder } = await setUp();
    await bring();
    expect(await readFile(target)).toEqual(content);
    expect(bytes()).toBe(content.byteLength);
    expect(await readdir(folder)).toEqual([file.path]);
  });

  it("goes on where a broken connection stopped, however often it breaks", async () => {
    const { hub, target, bring, bytes } = await setUp();
    Object.assign(hub.faults, { breakAfterBytes: 10_000, breaksLeft: 8 });
    await bring();
    expect(await readFile(target)).toEqual(content);
    expect(bytes()).toBe(content.byteLength);
    expect(hub.requests).toHaveLength(9);
    const starts = hub.requests.map((request) => Number(/bytes=(\d+)-/.exec(request)?.[1]));
    expect(starts[0]).toBe(0);
    expect(starts[8]).toBeGreaterThan(0);
    expect([...starts].sort((a, b) => a - b)).toEqual(starts);
  });

  it("uses what an earlier run left", async () => {
    const { hub, target, bring, bytes, folder } = await setUp();
    await mkdir(folder);
    await writeFile(`${target}.incomplete`, content.subarray(0, 99_000));
    await bring();
    expect(hub.requests).toEqual(["big.bin bytes=99000-"]);
    expect(bytes()).toBe(content.byteLength);
    expect(await readFile(target)).toEqual(content);
  });

  it("begins anew where more is left than the file has", async () => {
    const { hub, target, bring, folder } = await setUp();
    await mkdir(folder);
    await writeFile(`${target}.incomplete`, Buffer.alloc(content.byteLength + 1));
    await bring();
    expect(hub.requests).toEqual(["big.bin bytes=0-"]);
    expect(await readFile(target)).toEqual(content);
  });

  it("asks for nothing when the earlier run had all of it", async () => {
    const { hub, target, bring, folder } = await setUp();
    await mkdir(folder);
    await writeFile(`${target}.incomplete`, content);
    await bring();
    expect(hub.requests).toEqual([]);
    expect(await readFile(target)).toEqual(content);
  });

  it("throws away what does not match its hash, so that the next run begins anew", async () => {
    const { target, bring, folder } = await setUp();
    await mkdir(folder);
    await writeFile(`${target}.incomplete`, Buffer.alloc(50_000));
    const failure = await failureOf(bring);
    expect(failure.reason).toBe("checksum-mismatch");
    expect(failure.message).toContain(value);
    expect(await readdir(folder)).toEqual([]);
    await bring();
    expect(await readFile(target)).toEqual(content);
  });

  it("gives up after five attempts in a row that bring nothing", async () => {
    const { hub, bring } = await setUp();
    hub.faults.fileStatus = 503;
    const failure = await failureOf(bring);
    expect(failure.reason).toBe("download-failed");
    expect(failure.message).toContain("status 503");
    expect(hub.requests).toHaveLength(5);
  });

  it.each([
    [401, "hub-unauthorized"],
    [403, "hub-unauthorized"],
    [404, "file-not-found"],
  ])("does not repeat a request that got %d", async (status, reason) => {
    const { hub, bring } = await setUp();
    hub.faults.fileStatus = status;
    expect((await failureOf(bring)).reason).toBe(reason);
    expect(hub.requests).toHaveLength(1);
  });

  it("takes no bytes from another place than it asked for", async () => {
    const { hub, target, bring, folder } = await setUp();
    await mkdir(folder);
    await writeFile(`${target}.incomplete`, content.subarray(0, 10));
    hub.faults.ignoresRange = true;
    expect((await failureOf(bring)).message).toContain("expected bytes from 10");
  });

  it("gives the token to the hub, and to nobody else", async () => {
    const { hub, bring, url, target, options } = await setUp();
    await bring({ token: "hf_secret" });
    expect([...hub.tokens]).toEqual(["Bearer hf_secret"]);
    hub.tokens.clear();
    const elsewhere = { ...options, hubUrl: "https://hub.invalid", token: "hf_secret" };
    await downloadFile(url, { file, target: `${target}2` }, elsewhere);
    expect(hub.tokens.size).toBe(0);
  });

  it("stops between attempts and before the first, and keeps what came", async () => {
    const { hub, bring } = await setUp();
    expect((await failureOf(() => bring({ signal: AbortSignal.abort() }))).reason).toBe("stopped");
    expect(hub.requests).toEqual([]);
    Object.assign(hub.faults, { breakAfterBytes: 10, breaksLeft: 1e9 });
    const stopping = new AbortController();
    const run = failureOf(() => bring({ signal: stopping.signal }));
    await expect.poll(() => hub.requests.length).toBeGreaterThan(2);
    stopping.abort();
    expect((await run).reason).toBe("stopped");
  });
});
