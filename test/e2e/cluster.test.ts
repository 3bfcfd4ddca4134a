import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type NatsServer, startNatsServer } from "@retake/coordinator";
import { callUnary, clientOptions, readStream, sendStream } from "@retake/wire";
import { type Edit, EditServiceClient, type EditSpec, type Settings } from "@retake/wire/edit";
import { MembershipServiceClient } from "@retake/wire/membership";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { natsProgram } from "./nats-process.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const grpc = createRequire(join(root, "packages/wire/package.json"))(
  "@grpc/grpc-js",
) as typeof import("@grpc/grpc-js");
const clip = join(root, "models/demo/clips/car-running-on-grass.mp4");

const settings: Settings = {
  ...{ frames: 4, width: 64, height: 64, steps: 3, draws: 2, ddim: 4, guidance: 7.5, seed: 33 },
  ...{ stride: undefined, start: undefined, fit: undefined, rate: undefined, mode: undefined },
  ...{ temporalStart: undefined, memory: undefined, strength: undefined, batch: undefined },
};

/** Real processes: a coordinator on a real NATS, and nodes of one thread each. */
interface Cluster {
  readonly edits: EditServiceClient;
  /** Hash of the one model that all nodes serve. */
  readonly model: string;
  close(): Promise<void>;
}

function started(args: readonly string[]): { child: ChildProcess; address: Promise<string> } {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const address = new Promise<string>((resolve, reject) => {
    lines.on("line", (line) => {
      const said: { msg?: string; address?: string } = JSON.parse(line);
      if (said.msg === "listening") resolve(said.address ?? "");
    });
    child.once("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
  });
  return { child, address };
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null || !child.kill("SIGKILL")) return;
  await exit;
}

async function startCluster(nats: NatsServer, folder: string, nodeCount: number) {
  const store = ["--store-name", `nodes-${nodeCount}`, "--store-folder", join(folder, "store")];
  const main = join(root, "services/coordinator/dist/main.js");
  const coordinator = started([main, "--nats", nats.url, ...store]);
  const address = await coordinator.address;
  const nodes = Array.from({ length: nodeCount }, (_, index) =>
    started([
      join(root, "services/gpu-node/dist/main.js"),
      ...["--coordinator", address, "--node-id", `n${index}`, "--threads", "1"],
      ...["--model", join(root, "test/golden/data/tiny-sd")],
      ...["--cache", join(folder, `n${index}`)],
    ]),
  );
  await Promise.all(nodes.map((node) => node.address));
  const credentials = grpc.credentials.createInsecure();
  const members = new MembershipServiceClient(address, credentials, clientOptions);
  const edits = new EditServiceClient(address, credentials, clientOptions);
  let models: readonly string[] = [];
  while (models.length < nodeCount) {
    const list = members.listNodes.bind(members);
    const answer = await callUnary(list, {}, { subject: "nodes" });
    models = answer.nodes.flatMap(({ node }) => node?.models.map(({ hash }) => hash) ?? []);
  }
  members.close();
  const close = async (): Promise<void> => {
    edits.close();
    await Promise.all([coordinator, ...nodes].map(({ child }) => ended(child)));
  };
  return { edits, model: models[0] ?? "", close } satisfies Cluster;
}

/** Uploads the clip, submits an edit of two prompts, and watches it to its end. */
async function edited({ edits, model }: Cluster): Promise<Edit> {
  const data = await readFile(clip);
  const digest = createHash("sha256").update(data).digest();
  const artifactId = digest.toString("hex");
  const upload = async function* () {
    yield { artifactId, sizeBytes: data.length, offsetBytes: 0, data, dataSha256: digest };
  };
  await sendStream(edits.upload.bind(edits), upload(), { subject: "upload" });
  const spec: EditSpec = {
    ...{ sourcePrompt: "a car is running", negativePrompt: "", videoId: artifactId, model },
    ...{ prompts: ["a horse is running", "a cat is running"], settings, priority: 0 },
    ...{ layout: "LAYOUT_UNSPECIFIED", startByUnixMs: 0, finishByUnixMs: 0 },
    snapshotEverySteps: 0,
  };
  const submit = edits.submit.bind(edits);
  const { edit } = await callUnary(submit, { requestId: "one", spec }, { subject: "submit" });
  let last: Edit | undefined = edit;
  const watched = { id: edit?.id ?? "" };
  for await (const answer of readStream(edits.watch.bind(edits), watched, { subject: "watch" })) {
    last = answer.edit;
  }
  if (last === undefined) throw new Error("expected an edit");
  return last;
}

describe("a cluster of real processes", () => {
  let folder: string;
  let nats: NatsServer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "retake-cluster-"));
    nats = await startNatsServer({
      ...{ programPath: await natsProgram(), folder: join(folder, "nats") },
    });
  });
  afterAll(async () => {
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("tunes over two nodes to the bits of one, and publishes every file", async () => {
    const results: Edit[] = [];
    for (const nodeCount of [1, 2]) {
      const cluster = await startCluster(nats, join(folder, String(nodeCount)), nodeCount);
      results.push(await edited(cluster));
      await cluster.close();
    }
    const [one, two] = results;
    expect(two?.state).toBe("EDIT_STATE_SUCCEEDED");
    expect(two?.committedSteps).toBe(3);
    expect(two?.weightsHash).toMatch(/^[0-9a-f]{64}$/);
    expect(two?.weightsHash).toBe(one?.weightsHash);
    expect(two?.files.map(({ name }) => name)).toEqual([
      "1-a-horse-is-running.mp4",
      "2-a-cat-is-running.mp4",
      "delta.safetensors",
      "manifest.json",
      "poster.png",
      "side-by-side.mp4",
    ]);
    const videos = (edit: Edit | undefined) =>
      edit?.files.filter(({ name }) => name.endsWith(".mp4")).map(({ artifactId }) => artifactId);
    expect(videos(two)).toEqual(videos(one));
  });
});
