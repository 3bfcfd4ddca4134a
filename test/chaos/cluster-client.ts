import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { credentials, Metadata } from "@grpc/grpc-js";
import { Code, fromUnknown } from "@retake/errors";
import { type CallSettings, callUnary, clientOptions, readStream, sendStream } from "@retake/wire";
import { type Edit, EditServiceClient, Settings } from "@retake/wire/edit";
import { MembershipServiceClient, type NodeStatus } from "@retake/wire/membership";
import { demoClip } from "../e2e/retake-process.js";

/** Between two calls to a coordinator that is away. */
const awayPauseMs = 50;
const wholePauseMs = 100;

export interface EditRequest {
  readonly requestId: string;
  readonly settings: Partial<Settings>;
  readonly snapshotEverySteps: number;
}

/** What a test asks of a coordinator, through restarts of it. */
export class ClusterClient {
  readonly #edits: EditServiceClient;
  readonly #membership: MembershipServiceClient;
  readonly #metadata = new Metadata();

  constructor(port: number, token = "") {
    const to = [`127.0.0.1:${port}`, credentials.createInsecure(), clientOptions] as const;
    this.#edits = new EditServiceClient(...to);
    this.#membership = new MembershipServiceClient(...to);
    if (token !== "") this.#metadata.set("authorization", `Bearer ${token}`);
  }

  close(): void {
    this.#edits.close();
    this.#membership.close();
  }

  /** @returns  the video's id */
  async upload(path: string = demoClip): Promise<string> {
    const data = await readFile(path);
    const sha256 = createHash("sha256").update(data).digest();
    const artifactId = sha256.toString("hex");
    const chunk = { artifactId, sizeBytes: data.length, offsetBytes: 0, data, dataSha256: sha256 };
    await this.patiently(async (settings) => {
      const edits = this.#edits;
      const state = await callUnary(edits.getUpload.bind(edits), { artifactId }, settings);
      if (!state.complete) await sendStream(edits.upload.bind(edits), [chunk], settings);
    });
    return artifactId;
  }

  async submit(videoId: string, { requestId, settings, ...others }: EditRequest): Promise<string> {
    const spec = {
      ...{ sourcePrompt: "a car is running on the grass", negativePrompt: "", videoId },
      ...{ prompts: ["a horse is running on the grass"], model: "", priority: 0, ...others },
      ...{ startByUnixMs: 0, finishByUnixMs: 0, layout: "LAYOUT_DRAWS" as const },
      settings: Settings.fromPartial(settings),
    };
    const { edit } = await this.patiently((call) =>
      callUnary(this.#edits.submit.bind(this.#edits), { requestId, spec }, call),
    );
    return edit?.id ?? "";
  }

  async cancel(id: string): Promise<void> {
    await this.patiently((call) => callUnary(this.#edits.cancel.bind(this.#edits), { id }, call));
  }

  /** All edits of the caller's tenant. */
  async list(): Promise<readonly Edit[]> {
    const edits: Edit[] = [];
    let pageToken = "";
    do {
      const page = await this.patiently((call) =>
        callUnary(this.#edits.list.bind(this.#edits), { editsMax: 100, pageToken }, call),
      );
      edits.push(...page.edits);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return edits;
  }

  async get(id: string): Promise<Edit | undefined> {
    const { edit } = await this.patiently((call) =>
      callUnary(this.#edits.get.bind(this.#edits), { id, eventsMax: 0 }, call),
    );
    return edit;
  }

  /** Follows an edit until `isLast` of a snapshot; gives that one. */
  async watch(
    id: string,
    isLast: (edit: Edit) => boolean,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Edit> {
    for (;;) {
      const found = await this.patiently(async (call) => {
        const answers = readStream(
          this.#edits.watch.bind(this.#edits),
          { id },
          {
            ...{ ...call, signal, timeoutMs: undefined },
          },
        );
        for await (const { edit } of answers) if (edit && isLast(edit)) return edit;
        return undefined;
      });
      if (found !== undefined) return found;
    }
  }

  /** SHA-256 of every frame of the first prompt. */
  async frameDigests(id: string): Promise<readonly string[]> {
    const what = { $case: "promptIndex", value: 0 } as const;
    return this.patiently(async (call) => {
      const digests: string[] = [];
      const request = { id, what, offset: 0 };
      const parts = readStream(this.#edits.download.bind(this.#edits), request, call);
      for await (const { data } of parts) digests.push(digestOf(data));
      return digests;
    });
  }

  /** SHA-256 of the tensors of the delta, without what it says of itself. */
  async tensorsDigest(id: string): Promise<string> {
    const what = { $case: "fileName", value: "delta.safetensors" } as const;
    const bytes = await this.patiently(async (call) => {
      const parts: Uint8Array[] = [];
      const request = { id, what, offset: 0 };
      const answers = readStream(this.#edits.download.bind(this.#edits), request, call);
      for await (const { data } of answers) parts.push(data);
      return Buffer.concat(parts);
    });
    return digestOf(bytes.subarray(8 + Number(bytes.readBigUInt64LE(0))));
  }

  async nodes(): Promise<readonly NodeStatus[]> {
    const { nodes } = await this.patiently((call) =>
      callUnary(this.#membership.listNodes.bind(this.#membership), {}, call),
    );
    return nodes;
  }

  /** Resolves when so many nodes have joined, and none has a task. */
  async untilWhole(nodeCount: number): Promise<readonly NodeStatus[]> {
    for (;;) {
      const nodes = await this.nodes();
      const isFree = nodes.every(({ tasks }) => tasks.length === 0);
      if (nodes.length === nodeCount && isFree) return nodes;
      await delay(wholePauseMs);
    }
  }

  /** Calls again while no coordinator answers or leads. */
  async patiently<Result>(work: (settings: CallSettings) => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await work({ subject: "chaos", metadata: this.#metadata, timeoutMs: 10_000 });
      } catch (thrown) {
        const { code } = fromUnknown(thrown, "chaos");
        if (code !== Code.Unavailable && code !== Code.DeadlineExceeded) throw thrown;
      }
      await delay(awayPauseMs);
    }
  }
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
