import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { credentials } from "@grpc/grpc-js";
import { clientOptions, collectChunks } from "@retake/wire";
import type { Chunk } from "@retake/wire/artifact";
import { Settings } from "@retake/wire/edit";
import { NodeServiceClient, type TaskHeader } from "@retake/wire/node";
import { pino } from "pino";
import { createEngine } from "../../runtime/create-engine.js";
import type { HostTensor, HostTensors } from "../../runtime/engine.js";
import type { ClipPixels } from "../../tasks/clip-pixels.js";
import { openModelFiles } from "../../tasks/model-files.js";
import { type Model, openModel } from "../../tasks/open-model.js";
import { readTensors, writeTensors } from "../../tasks/tuned-delta.js";
import { createGpuNode, type GpuNode } from "../gpu-node.js";
import { type FakeCoordinator, fakeCoordinator } from "./fake-coordinator.js";

const tiny = fileURLToPath(new URL("../../../../../test/golden/data/tiny-sd", import.meta.url));
const bytesMax = 2 ** 26;

/** Settings of a short edit. */
export const settings = Settings.fromPartial({
  ...{ steps: 3, rate: 1e-3, draws: 2, mode: "paper", temporalStart: "no-op", memory: "fast" },
  ...{ seed: 7, ddim: 4, guidance: 3, strength: 1, batch: 1 },
});

const size = { frames: 3, width: 64, height: 64 };

/** Pixels that are no flat colour, and differ from frame to frame. */
export const clip: ClipPixels = {
  ...size,
  pixels: Uint8Array.from(
    { length: size.frames * size.width * size.height * 3 },
    (_, i) => (i * 7 + (i >> 8) * 13) & 255,
  ),
};

/** A node that runs, and the same model in this process, to compare. */
export interface NodeHarness {
  readonly coordinator: FakeCoordinator;
  readonly node: GpuNode;
  readonly client: NodeServiceClient;
  readonly model: Model;
  readonly folder: string;
  /** A task of its own name. */
  readonly header: (more?: Partial<TaskHeader>) => TaskHeader;
  /** Keeps tensors with the coordinator. */
  readonly put: (tensors: HostTensors) => Promise<string>;
  /** Reads tensors from the bytes of a file. */
  readonly tensorsIn: <Name extends string>(
    bytes: Uint8Array | undefined,
    names: readonly Name[],
  ) => Promise<Readonly<Record<Name, HostTensor>>>;
  /** Another node of the same coordinator. */
  readonly addNode: (nodeId: string) => Promise<GpuNode>;
  close(): Promise<void>;
}

/** Of the edit of all tasks. */
export const jobKey = Buffer.alloc(32, 7);

export async function createHarness(): Promise<NodeHarness> {
  const folder = await mkdtemp(join(tmpdir(), "retake-node-"));
  const coordinator = await fakeCoordinator();
  const addNode = async (nodeId: string): Promise<GpuNode> => {
    const node = await createGpuNode({
      ...{ coordinators: [coordinator.address], nodeId, models: [tiny], threads: 1 },
      ...{ cacheDir: join(folder, nodeId), logger: pino({ level: "silent" }) },
    });
    await node.joined;
    return node;
  };
  const node = await addNode("n0");
  const client = new NodeServiceClient(node.address, credentials.createInsecure(), clientOptions);
  const engine = await createEngine("onnx-cpu", {
    ...{ threads: 1, cacheDir: join(folder, "programs") },
  });
  const model = openModel(await openModelFiles({ source: tiny, cacheDir: folder }), engine);
  let count = 0;
  const newPath = (): string => {
    count += 1;
    return join(folder, `file-${count}.safetensors`);
  };
  return {
    ...{ coordinator, node, client, model, folder, addNode },
    header: (more = {}) => {
      count += 1;
      const task = { taskId: `task-${count}`, editId: "edit-1", attempt: 0, epoch: 1 };
      return { ...task, jobKey, modelHash: model.files.hash, ...more };
    },
    put: async (tensors) => {
      const path = newPath();
      await writeTensors(path, tensors);
      return coordinator.put(await readFile(path));
    },
    tensorsIn: async (bytes = Buffer.alloc(0), names) => {
      const path = newPath();
      await writeFile(path, bytes);
      return readTensors(path, names);
    },
    close: async () => {
      client.close();
      await node.close();
      coordinator.close();
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The bytes of one transfer. */
export function collected(chunks: readonly Chunk[]): Promise<Buffer> {
  return collectChunks(chunks, { subject: "a test's file", bytesMax });
}
