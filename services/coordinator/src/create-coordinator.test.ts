import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { credentials, Metadata } from "@grpc/grpc-js";
import {
  type CallSettings,
  callUnary,
  clientOptions,
  collectChunks,
  handleServerStream,
  protocolVersion,
  readStream,
  sendStream,
} from "@retake/wire";
import { ArtifactServiceClient } from "@retake/wire/artifact";
import { EditServiceClient, type EditSpec, Settings, type UploadRequest } from "@retake/wire/edit";
import {
  MembershipServiceClient,
  ModelInfo,
  type NodeInfo,
  type NodeRates,
  type ScaleRequest,
} from "@retake/wire/membership";
import { type EncodeRequest, NodeServiceClient, NodeServiceService } from "@retake/wire/node";
import { createServer, listenAt, plainTransport, type Refusal } from "@retake/wire/tls";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Coordinator, createCoordinator } from "./create-coordinator.js";
import { fitSize } from "./media/clip-size.js";
import { makeWithFfmpeg, smallVideos, temporaryFolder } from "./media/testing/generated-video.js";

const folder = await temporaryFolder();
const logger = pino({ level: "silent" });
const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes);
const call = (token?: string): CallSettings => {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return { subject: "test", metadata };
};

describe("createCoordinator", () => {
  let coordinator: Coordinator;
  let edits: EditServiceClient;
  let membership: MembershipServiceClient;
  let artifacts: ArtifactServiceClient;
  let video: Buffer;
  let videoId: string;

  beforeAll(async () => {
    const path = await makeWithFfmpeg(join(folder, "video.mp4"), smallVideos["front.mp4"] ?? []);
    video = await readFile(path);
    videoId = sha256(video).digest("hex");
    const tokensFile = join(folder, "tokens");
    const lines = ["one", "two"].map((name) => `${name} ${sha256(name).digest("hex")}`);
    await writeFile(tokensFile, lines.join("\n"));
    coordinator = await createCoordinator({ logger, tokensFile, metricsListen: "127.0.0.1:0" });
    await coordinator.active;
    const to = [coordinator.address, credentials.createInsecure(), clientOptions] as const;
    edits = new EditServiceClient(...to);
    membership = new MembershipServiceClient(...to);
    artifacts = new ArtifactServiceClient(...to);
  });
  afterAll(async () => {
    for (const client of [edits, membership, artifacts]) client.close();
    await coordinator.close();
  });

  const chunk = (offsetBytes: number, end: number, change: Partial<UploadRequest> = {}) => {
    const data = video.subarray(offsetBytes, end);
    const dataSha256 = sha256(data).digest();
    const sizeBytes = video.length;
    return { artifactId: videoId, sizeBytes, offsetBytes, data, dataSha256, ...change };
  };
  const upload = (chunks: readonly UploadRequest[], token?: string) =>
    sendStream(edits.upload.bind(edits), chunks, call(token));
  const received = (token?: string) =>
    callUnary(edits.getUpload.bind(edits), { artifactId: videoId }, call(token));
  const spec = (change: Partial<EditSpec> = {}): EditSpec => ({
    ...{ sourcePrompt: "a", prompts: ["b"], negativePrompt: "", videoId, model: "tiny" },
    ...{ settings: Settings.fromPartial({ frames: 2, seed: 3 }), priority: 0 },
    ...{ startByUnixMs: 0, finishByUnixMs: 0, snapshotEverySteps: 0 },
    layout: "LAYOUT_UNSPECIFIED",
    ...change,
  });
  const submit = async (change: Partial<EditSpec> = {}, requestId = "r", token = "one") =>
    (await callUnary(edits.submit.bind(edits), { requestId, spec: spec(change) }, call(token)))
      .edit;
  const model = ModelInfo.fromPartial({
    ...{ hash: "h1", name: "tiny", pictureSide: 64, timestepCount: 1000 },
    cardJson: '{"defaults":{"steps":7,"seed":9}}',
  });
  const aNode: NodeInfo = {
    ...{ nodeId: "n1", incarnation: "i", protocolVersion, address: "127.0.0.1:9", pid: 1 },
    ...{ version: "0", engine: "onnx-cpu", numericsId: "x", threads: 1, memoryBytes: 0 },
    models: [model],
  };

  const rates: NodeRates = {
    ...{ flopsPerSecond: 2, bytesPerSecond: 3, roundTripMs: 4 },
    passes: [
      ...[{ modelHash: "h1", kind: "PASS_KIND_UNET", frames: 8, pixelsPerFrame: 64 } as const],
    ].map((pass) => ({ ...pass, durationMs: 5, passesAtOnce: 1 })),
  };

  it("takes the chunks of a file, keeps what came, and goes on from there", async () => {
    await expect(upload([chunk(0, 1000)], "one")).rejects.toMatchObject({
      reason: "file-truncated",
    });
    expect(await received("one")).toEqual({ receivedBytes: 1000, complete: false });
    // What another tenant sends is another upload.
    expect(await received("two")).toEqual({ receivedBytes: 0, complete: false });
    const wrong = { dataSha256: Buffer.alloc(32) };
    await expect(upload([chunk(1000, 2000, wrong)], "one")).rejects.toMatchObject({
      reason: "checksum-mismatch",
    });
    await expect(upload([chunk(0, 1000)], "one")).rejects.toMatchObject({
      reason: "upload-offset",
    });
    const rest = [chunk(1000, 2000), chunk(2000, video.length)];
    expect(await upload(rest, "one")).toEqual({ artifactId: videoId });
    expect((await received("one")).complete).toBe(true);
  });

  it("refuses chunks that do not fit together", async () => {
    const reason = "bad-message";
    const twice = [chunk(0, 10), chunk(0, 10)];
    const mixed = [chunk(0, 10), chunk(10, 20, { sizeBytes: 5 })];
    for (const chunks of [[], [chunk(0, 10, { artifactId: "x" })]]) {
      await expect(upload(chunks, "two")).rejects.toMatchObject({ reason });
    }
    for (const [index, chunks] of [twice, mixed].entries()) {
      const artifactId = sha256(`other ${index}`).digest("hex");
      const named = chunks.map((one) => ({ ...one, artifactId }));
      await expect(upload(named, "two")).rejects.toMatchObject({ reason });
    }
  });

  it("knows no model before a node that serves it has joined", async () => {
    await expect(submit()).rejects.toMatchObject({ reason: "model-unknown", code: "NOT_FOUND" });
    const joined = await callUnary(
      membership.join.bind(membership),
      { node: aNode, rates },
      call(),
    );
    expect(joined).toMatchObject({ epoch: 1, leaseDurationMs: 10_000, natsServers: [] });
    await expect(submit({ model: "other" })).rejects.toMatchObject({ reason: "model-unknown" });
  });

  it("resolves every setting: what was given, else the card, else the paper", async () => {
    const edit = await submit();
    expect(edit).toMatchObject({ id: expect.stringMatching(/^e[0-9a-f]{19}$/), attempt: 1 });
    expect(edit?.spec).toMatchObject({
      ...{ model: "h1", snapshotEverySteps: 50 },
      settings: {
        ...{ frames: 2, seed: 3, steps: 7, ddim: 50, guidance: 12.5, draws: 1, fit: "crop" },
        ...fitSize({ width: 64, height: 48 }, 64 ** 2),
      },
    });
  });

  it("gives the same edit for the same request, and each tenant its own", async () => {
    const [first, again] = [await submit({}, "same"), await submit({ prompts: ["c"] }, "same")];
    expect(again?.id).toBe(first?.id);
    expect(again?.results.map(({ prompt }) => prompt)).toEqual(["b"]);
    const others = await submit({}, "same", "two");
    expect(others?.id).not.toBe(first?.id);
    const id = others?.id ?? "";
    const unknown = { reason: "edit-unknown", code: "NOT_FOUND" };
    const asked = call("one");
    await expect(
      callUnary(edits.get.bind(edits), { id, eventsMax: 0 }, asked),
    ).rejects.toMatchObject(unknown);
    await expect(callUnary(edits.cancel.bind(edits), { id }, asked)).rejects.toMatchObject(unknown);
    const retry = { id, requestId: "x" };
    await expect(callUnary(edits.retry.bind(edits), retry, asked)).rejects.toMatchObject(unknown);
    const watched = readStream(edits.watch.bind(edits), { id }, asked);
    await expect(watched.next()).rejects.toMatchObject(unknown);
    const what = { $case: "promptIndex", value: 0 } as const;
    const download = readStream(edits.download.bind(edits), { id, what, offset: 0 }, asked);
    await expect(download.next()).rejects.toMatchObject(unknown);
  });

  it("refuses what cannot be, before anything is stored", async () => {
    const refused: readonly (readonly [Partial<EditSpec>, string])[] = [
      [{ sourcePrompt: "" }, "prompt-empty"],
      [{ prompts: [] }, "prompt-empty"],
      [{ prompts: ["x".repeat(2001)] }, "prompt-too-long"],
      [{ videoId: "x" }, "bad-message"],
      [{ videoId: "0".repeat(64) }, "file-unknown"],
      [{ priority: 10 }, "bad-message"],
      [{ settings: Settings.fromPartial({ frames: 0 }) }, "bad-option"],
      [{ settings: Settings.fromPartial({ width: 64 }) }, "bad-message"],
      [{ settings: Settings.fromPartial({ width: 63, height: 64 }) }, "frame-size"],
      [{ settings: Settings.fromPartial({ ddim: 1001 }) }, "bad-option"],
      [{ settings: Settings.fromPartial({ mode: "other" }) }, "bad-option"],
      [
        { prompts: ["a", "b", "c"], settings: Settings.fromPartial({ frames: 4096 }) },
        "bad-option",
      ],
      [{ finishByUnixMs: 1 }, "deadline"],
    ];
    for (const [change, reason] of refused) {
      await expect(submit(change, "refused")).rejects.toMatchObject({ reason });
    }
    const { edits: listed } = await callUnary(
      edits.list.bind(edits),
      { editsMax: 0, pageToken: "" },
      call("one"),
    );
    expect(listed).toHaveLength(2);
  });

  it("lists a tenant's edits page by page", async () => {
    const page = (pageToken: string) =>
      callUnary(edits.list.bind(edits), { editsMax: 1, pageToken }, call("one"));
    const first = await page("");
    const second = await page(first.nextPageToken);
    expect([first.edits.length, second.edits.length, second.nextPageToken]).toEqual([1, 1, ""]);
    expect(first.edits[0]?.id).not.toBe(second.edits[0]?.id);
    await expect(page("e0")).rejects.toMatchObject({ reason: "bad-message" });
  });

  it("stores the clip, and lets operators pull it, but no tenant", async () => {
    const edit = await submit({}, "pulled");
    for await (const { edit: now } of readStream(
      edits.watch.bind(edits),
      { id: edit?.id ?? "" },
      call("one"),
    )) {
      if (now?.phase !== "PHASE_INGEST") break;
    }
    const request = { artifactId: videoId, offsetBytes: 0 };
    const bytes = await collectChunks(chunksIn(artifacts, request), {
      ...{ subject: "video", bytesMax: 2 ** 20, sha256: videoId },
    });
    expect(bytes.equals(video)).toBe(true);
    const denied = readStream(artifacts.pull.bind(artifacts), request, call("one"));
    await expect(denied.next()).rejects.toMatchObject({ reason: "not-allowed" });
    const asked = { nodeId: "n1" };
    await expect(
      callUnary(membership.drain.bind(membership), asked, call("one")),
    ).rejects.toMatchObject({ reason: "not-allowed" });
  });

  it("shows watchers the end of a canceled edit, and begins it again once", async () => {
    const edit = await submit({}, "canceled");
    const id = edit?.id ?? "";
    await callUnary(edits.cancel.bind(edits), { id }, call("one"));
    let last = "";
    for await (const { edit: now } of readStream(edits.watch.bind(edits), { id }, call("one"))) {
      last = now?.state ?? "";
    }
    expect(last).toBe("EDIT_STATE_CANCELED");
    const again = () => callUnary(edits.retry.bind(edits), { id, requestId: "again" }, call("one"));
    expect((await again()).edit?.attempt).toBe(2);
    expect((await again()).edit?.attempt).toBe(2);
    const asked = { id, eventsMax: 100 };
    const { events } = await callUnary(edits.get.bind(edits), asked, call("one"));
    const reasons = events.map(({ attempt, reason }) => `${attempt} ${reason}`);
    expect(reasons).toContain("1 accepted; ingest begins");
    expect(reasons).toContain("2 begun again: attempt 2; ingest begins");
    const what = { $case: "fileName", value: "manifest.json" } as const;
    const file = readStream(edits.download.bind(edits), { id, what, offset: 0 }, call("one"));
    await expect(file.next()).rejects.toMatchObject({ reason: "file-unknown" });
  });

  it("removes what is old enough, and keeps what open edits name", async () => {
    const ask = { editKeptMs: 0, unreferencedKeptMs: 0 };
    const collect = (dryRun: boolean) =>
      callUnary(artifacts.collectGarbage.bind(artifacts), { ...ask, dryRun }, call());
    const id = (await submit({}, "old"))?.id ?? "";
    await callUnary(edits.cancel.bind(edits), { id }, call("one"));
    expect((await collect(true)).edits).toBe(1);
    expect((await collect(false)).edits).toBe(1);
    expect((await collect(false)).edits).toBe(0);
    const gone = callUnary(edits.get.bind(edits), { id, eventsMax: 0 }, call("one"));
    await expect(gone).rejects.toMatchObject({ reason: "edit-unknown" });
    expect((await received("one")).complete).toBe(true);
  });

  it("takes nodes of its protocol only, and tells what they are", async () => {
    const node = { ...aNode, nodeId: "n2", protocolVersion: 99 };
    await expect(
      callUnary(membership.join.bind(membership), { node, rates }, call()),
    ).rejects.toMatchObject({ reason: "protocol-mismatch" });
    const unknown = { nodeId: "n3", incarnation: "i", taskIds: [] };
    const beat = { ...unknown, rates };
    expect(await callUnary(membership.heartbeat.bind(membership), beat, call())).toMatchObject({
      mustJoin: true,
    });
    const { nodes } = await callUnary(membership.listNodes.bind(membership), {}, call());
    expect(nodes.map(({ node: told }) => [told?.nodeId, told?.pid])).toEqual([["n1", 1]]);
    expect(nodes[0]?.rates).toEqual(rates);
  });

  it("counts what it decides", async () => {
    const text = await (await fetch(`http://${coordinator.metricsAddress}/metrics`)).text();
    expect(text).toMatch(/retake_events_total\{kind="submitted"\} \d/);
    expect(text).toMatch(/retake_nodes\{state="ready"\} 1/);
    expect(text).toMatch(/retake_epoch 1/);
    const failed = /^retake_calls_failed_total\{method="([\w.]+)",reason="([\w-]+)"\} [1-9]/gm;
    expect([...text.matchAll(failed)].map(([, method, reason]) => `${method} ${reason}`)).toEqual(
      expect.arrayContaining([
        ...["EditService.Get edit-unknown", "EditService.Watch edit-unknown"],
        ...["EditService.Upload checksum-mismatch", "EditService.Submit model-unknown"],
        "MembershipService.Join protocol-mismatch",
      ]),
    );
    expect(text).toMatch(/retake_jobs_total\{state="canceled",reason="none"\} [1-9]/);
    expect(text).toMatch(/retake_queue_oldest_age_seconds \d/);
    expect(text).toMatch(/retake_build_info\{version="[\d.]+"\} 1/);
  });

  it("scales its pool for operators only, and says that it starts no nodes", async () => {
    const scale = (request: Partial<ScaleRequest>, token?: string) =>
      callUnary(
        membership.scale.bind(membership),
        { waits: false, handOverMs: 0, ...request },
        call(token),
      );
    await callUnary(membership.join.bind(membership), { node: aNode, rates }, call());
    await expect(scale({ count: 1 }, "one")).rejects.toMatchObject({ reason: "not-allowed" });
    await expect(scale({})).rejects.toMatchObject({ reason: "bad-message" });
    await expect(scale({ count: 1_001 })).rejects.toMatchObject({ reason: "bad-message" });
    const late = { count: 1, handOverMs: 3_600_001 };
    await expect(scale(late)).rejects.toMatchObject({ reason: "bad-message" });
    await expect(scale({ count: 5 })).rejects.toMatchObject({
      reason: "pool-fixed",
      message: expect.stringContaining("expected at most 1 nodes, which have joined, got 5"),
    });
    expect(await scale({ count: 1 })).toMatchObject({
      pool: "static",
      countBefore: 1,
      leaving: [],
    });
    const { leaving } = await scale({ count: 0, waits: true });
    expect(leaving).toEqual([{ nodeId: "n1", reason: "it is idle", handedOver: true }]);
    const beat = { nodeId: "n1", incarnation: "i", taskIds: [], rates };
    expect(await callUnary(membership.heartbeat.bind(membership), beat, call())).toMatchObject({
      ...{ mustDrain: true, mustJoin: false },
    });
  });

  it("removes by itself what is old enough", async () => {
    const garbage = { everyMs: 20, editKeptMs: 0, unreferencedKeptMs: 3_600_000 };
    const other = await createCoordinator({ logger, garbage });
    await other.active;
    const to = [other.address, credentials.createInsecure(), clientOptions] as const;
    const [client, members] = [new EditServiceClient(...to), new MembershipServiceClient(...to)];
    await callUnary(members.join.bind(members), { node: aNode, rates }, call());
    await sendStream(client.upload.bind(client), [chunk(0, video.length)], call());
    const request = { requestId: "r", spec: spec() };
    const { edit } = await callUnary(client.submit.bind(client), request, call());
    const id = edit?.id ?? "";
    await callUnary(client.cancel.bind(client), { id }, call());
    await vi.waitFor(
      () =>
        expect(
          callUnary(client.get.bind(client), { id, eventsMax: 0 }, call()),
        ).rejects.toMatchObject({ reason: "edit-unknown" }),
      { timeout: 60_000, interval: 20 },
    );
    for (const each of [client, members]) each.close();
    await other.close();
  });

  it("shows a node the token that it came with, without which it takes no task", async () => {
    const token = "of-the-cluster";
    const tokensFile = join(folder, "cluster-tokens");
    await writeFile(tokensFile, `cluster ${sha256(token).digest("hex")}\n`);
    const other = await createCoordinator({ logger, tokensFile });
    await other.active;
    const refusals: Refusal[] = [];
    const service = "/retake.v1.NodeService";
    const node = createServer(plainTransport, {
      ...{ callers: {}, tokenRule: { service, token } },
      onRefused: (refusal) => void refusals.push(refusal),
    });
    const tasks: EncodeRequest[] = [];
    const encode = async (request: EncodeRequest): Promise<void> => void tasks.push(request);
    node.addService(NodeServiceService, { encode: handleServerStream(encode, { subject: "it" }) });
    const listening = { address: "127.0.0.1:0", transport: plainTransport };
    const address = `127.0.0.1:${await listenAt(node, listening)}`;
    const to = [other.address, credentials.createInsecure(), clientOptions] as const;
    const [client, members] = [new EditServiceClient(...to), new MembershipServiceClient(...to)];
    const joining = { node: { ...aNode, address }, rates };
    await callUnary(members.join.bind(members), joining, call(token));
    await sendStream(client.upload.bind(client), [chunk(0, video.length)], call(token));
    const request = { requestId: "r", spec: spec() };
    await callUnary(client.submit.bind(client), request, call(token));
    const keys = () => tasks.map(({ task }) => task?.jobKey.length);
    await expect.poll(keys, { timeout: 60_000, interval: 20 }).toContain(32);
    expect(refusals).toEqual([]);
    const stranger = new NodeServiceClient(address, credentials.createInsecure(), clientOptions);
    const hash = sha256(token).digest("hex");
    const wrong = [undefined, "another", hash, `${token}x`, ""];
    for (const shown of wrong) {
      const abort = { taskId: "t", epoch: 9, reason: "" };
      const asked = callUnary(stranger.abort.bind(stranger), abort, call(shown));
      const refused = { code: "UNAUTHENTICATED", reason: "not-allowed" };
      await expect(asked).rejects.toMatchObject(refused);
    }
    console.log(`tasks by strangers: ${refusals.length} of ${wrong.length} refused`);
    expect(refusals.length).toBe(wrong.length);
    for (const each of [client, members, stranger]) each.close();
    node.forceShutdown();
    await other.close();
  });

  it("refuses to listen beyond loopback without tokens", async () => {
    const beyond = createCoordinator({ logger, listen: "0.0.0.0:0" });
    await expect(beyond).rejects.toThrow("expected --tokens");
  });
});

async function* chunksIn(
  artifacts: ArtifactServiceClient,
  request: { readonly artifactId: string; readonly offsetBytes: number },
) {
  for await (const { chunk } of readStream(artifacts.pull.bind(artifacts), request, call())) {
    yield chunk;
  }
}
