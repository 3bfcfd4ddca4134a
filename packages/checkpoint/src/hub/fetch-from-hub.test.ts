import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeSafetensors } from "../safetensors/write.js";
import { fakeCommit, startFakeHub } from "../testing/fake-hub.js";
import { unetFile, vaeFile, values, writeSmallCheckpoint } from "../testing/small-checkpoint.js";
import { failureOf, temporaryFolder } from "../testing/temporary-folder.js";
import { fetchFromHub, type HubProgress, isHubId } from "./fetch-from-hub.js";

async function setUp() {
  const folder = await temporaryFolder();
  const served = join(folder, "served");
  await writeSmallCheckpoint(served);
  await writeFile(join(served, "README.md"), "not needed");
  const hub = await startFakeHub(served);
  const options = { cacheDir: join(folder, "cache"), hubUrl: hub.url, retryDelayMs: 1 };
  const snapshot = join(options.cacheDir, "hub", "owner--name", "snapshots", fakeCommit);
  return { hub, served, options, snapshot };
}

describe("fetchFromHub", () => {
  it("brings the files of a checkpoint, and reports how far it is", async () => {
    const { served, options, snapshot } = await setUp();
    const reports: HubProgress[] = [];
    const onProgress = (progress: HubProgress): void => void reports.push(progress);
    expect(await fetchFromHub("owner/name", { ...options, onProgress })).toBe(snapshot);
    for (const path of [unetFile, vaeFile, "tokenizer/merges.txt", "model_index.json"]) {
      expect(await readFile(join(snapshot, path))).toEqual(await readFile(join(served, path)));
    }
    expect(await readdir(snapshot)).not.toContain("README.md");
    const last = reports.at(-1);
    expect(last?.bytes).toBe(last?.bytesTotal);
    expect(reports.every(({ bytes }, index) => bytes >= (reports[index - 1]?.bytes ?? 0))).toBe(
      true,
    );
  });

  it("brings only what is missing the second time", async () => {
    const { hub, options, snapshot } = await setUp();
    await fetchFromHub("owner/name", options);
    hub.requests.length = 0;
    await rm(join(snapshot, vaeFile));
    await fetchFromHub("owner/name", options);
    expect(hub.requests).toEqual([`${vaeFile} bytes=0-`]);
  });

  it("goes on after connections that break", async () => {
    const { hub, options, snapshot, served } = await setUp();
    Object.assign(hub.faults, { breakAfterBytes: 100, breaksLeft: 20 });
    await fetchFromHub("owner/name", options);
    expect(hub.faults.breaksLeft).toBe(0);
    expect(await readFile(join(snapshot, unetFile))).toEqual(
      await readFile(join(served, unetFile)),
    );
  });

  it("adds the shards that an index names", async () => {
    const { served, options, snapshot } = await setUp();
    await rename(join(served, unetFile), join(served, "unet", "one.safetensors"));
    await writeSafetensors(join(served, "unet", "two.safetensors"), new Map([["b", values(1)]]));
    const weightMap = { "conv_in.bias": "one.safetensors", b: "two.safetensors" };
    const index = "unet/diffusion_pytorch_model.safetensors.index.json";
    await writeFile(join(served, index), JSON.stringify({ weight_map: weightMap }));
    await fetchFromHub("owner/name", options);
    expect((await readdir(join(snapshot, "unet"))).sort()).toEqual([
      "config.json",
      "diffusion_pytorch_model.safetensors.index.json",
      "one.safetensors",
      "two.safetensors",
    ]);
  });

  it.each([unetFile, "model_index.json"])("refuses %s with another hash", async (path) => {
    const { hub, options, snapshot } = await setUp();
    hub.faults.wrongHashOf = path;
    const failure = await failureOf(() => fetchFromHub("owner/name", options));
    expect(failure.reason).toBe("checksum-mismatch");
    expect(failure.message).toContain(path);
    expect(await readdir(snapshot, { recursive: true })).not.toContain(path);
  });

  it("asks nobody when offline, and says what is missing", async () => {
    const { hub, options, snapshot } = await setUp();
    const offline = { ...options, offline: true };
    const nothing = await failureOf(() => fetchFromHub("owner/name", offline));
    expect(nothing.reason).toBe("offline");
    await fetchFromHub("owner/name", options);
    hub.requests.length = 0;
    hub.faults.modelStatus = 500;
    expect(await fetchFromHub("owner/name", offline)).toBe(snapshot);
    await rm(join(snapshot, vaeFile));
    const some = await failureOf(() => fetchFromHub("owner/name", offline));
    expect(some.reason).toBe("offline");
    expect(some.message).toContain(`missing ${vaeFile}`);
    expect(hub.requests).toEqual([]);
  });

  it("serves what it has when the hub cannot be reached, and only then", async () => {
    const { hub, options, snapshot } = await setUp();
    hub.faults.modelStatus = 503;
    const first = await failureOf(() => fetchFromHub("owner/name", options));
    expect(first.reason).toBe("download-failed");
    delete hub.faults.modelStatus;
    await fetchFromHub("owner/name", options);
    hub.faults.modelStatus = 503;
    expect(await fetchFromHub("owner/name", options)).toBe(snapshot);
    hub.faults.modelStatus = 403;
    const refused = await failureOf(() => fetchFromHub("owner/name", options));
    expect(refused.reason).toBe("hub-unauthorized");
  });

  it("asks nobody for a commit that is complete", async () => {
    const { hub, options, snapshot } = await setUp();
    await fetchFromHub("owner/name", options);
    hub.faults.modelStatus = 500;
    expect(await fetchFromHub("owner/name", { ...options, revision: fakeCommit })).toBe(snapshot);
  });

  it.each([
    [401, "hub-unauthorized", "accept its licence"],
    [403, "hub-unauthorized", "give a token"],
    [404, "file-not-found", "check the name"],
  ])("says for status %d what to do", async (modelStatus, reason, advice) => {
    const { hub, options } = await setUp();
    Object.assign(hub.faults, { modelStatus });
    const withToken = { ...options, token: "hf_secret" };
    const failure = await failureOf(() => fetchFromHub("owner/name", withToken));
    expect(failure.reason).toBe(reason);
    expect(failure.message).toContain(advice);
    expect(failure.message).not.toContain("hf_secret");
  });

  it("says so too when only the files are gated", async () => {
    const { hub, options } = await setUp();
    hub.faults.fileStatus = 403;
    const failure = await failureOf(() => fetchFromHub("owner/name", options));
    expect(failure.reason).toBe("hub-unauthorized");
  });

  it("sends the token, and refuses a text that is none without sending it", async () => {
    const { hub, options } = await setUp();
    const failure = await failureOf(() =>
      fetchFromHub("owner/name", { ...options, token: "password" }),
    );
    expect(failure.reason).toBe("hub-unauthorized");
    expect(failure.message).not.toContain("password");
    expect(hub.tokens.size).toBe(0);
    await fetchFromHub("owner/name", { ...options, token: "hf_secret" });
    expect([...hub.tokens]).toEqual(["Bearer hf_secret"]);
  });

  it("says that a repository holds no checkpoint, and that nobody answers", async () => {
    const { served, options } = await setUp();
    await rm(join(served, "unet"), { recursive: true });
    const other = await failureOf(() => fetchFromHub("owner/name", options));
    expect(other.reason).toBe("checkpoint-incomplete");
    const nobody = { ...options, hubUrl: "http://127.0.0.1:9" };
    const failure = await failureOf(() => fetchFromHub("owner/name", nobody));
    expect(failure.reason).toBe("download-failed");
  });

  it("stops when it is told to", async () => {
    const { options } = await setUp();
    const stopped = { ...options, signal: AbortSignal.abort() };
    expect((await failureOf(() => fetchFromHub("owner/name", stopped))).reason).toBe("stopped");
  });

  it.each(["../x", "a/b/c", "a/..", "a b/c"])("refuses the id %j", async (id) => {
    const failure = await failureOf(() => fetchFromHub(id, { cacheDir: "/nowhere" }));
    expect(failure.reason).toBe("bad-option");
  });

  it.each(["../x", "a b", ""])("refuses the revision %j", async (revision) => {
    const options = { cacheDir: "/nowhere", revision };
    expect((await failureOf(() => fetchFromHub("a/b", options))).reason).toBe("bad-option");
  });
});

describe("isHubId", () => {
  it("is true for owner/name only", () => {
    expect(["runwayml/stable-diffusion-v1-5", "a/b.c_d-e"].every(isHubId)).toBe(true);
    const others = ["gpt2", "./a/b", "/a/b", "a/b/", "a//b", "a/../b", "-a/b", "a/b\n"];
    expect(others.filter(isHubId)).toEqual([]);
  });
});
