import { randomUUID } from "node:crypto";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { UNetConfig } from "@retake/model";
import { equalParts, type FrameShard } from "@retake/model/frames";
import { type BidiCall, openBidi } from "@retake/wire";
import { jobToken } from "@retake/wire/exchange";
import type { TaskHeader } from "@retake/wire/node";
import {
  PeerServiceClient,
  type RunFramesRequest,
  type RunFramesResponse,
} from "@retake/wire/peer";
import type { Transport } from "@retake/wire/tls";
import type { FrameGroup } from "../frames/frame-group.js";
import type { FrameGroups } from "../frames/frame-groups.js";
import { readyPatienceMs } from "../frames/limits.js";
import { openGroup } from "../frames/open-group.js";
import type { HostTensor } from "../runtime/engine.js";
import { float32Values } from "../tasks/host-tensors.js";
import type { Model, TensorSource } from "../tasks/open-model.js";
import type { TaskControl } from "../tasks/task-control.js";
import { type PassHelper, predictFrames, preparedFrames } from "../tasks/unet-pass.js";
import type { LentRanks } from "./lent-peers.js";
import type { NodeContext } from "./node-context.js";

/**
 * The fewest frames that a rank computes. Where the deepest level has a single cell, one frame
 * would be one row of a product, which kernels compute by another path, and with other bits.
 */
function framesMin({ blockOutChannels }: UNetConfig, shape: readonly number[]): number {
  const factor = 2 ** (blockOutChannels.length - 1);
  const cells = shape.slice(-2).reduce((count, side) => count * Math.ceil(side / factor), 1);
  return cells === 1 ? 2 : 1;
}

export interface FramesLinkOptions {
  readonly groups: FrameGroups;
  readonly transport: Transport;
  /** Of the edit. */
  readonly jobKey: Uint8Array;
  readonly model: Model;
  /** Of the latents. */
  readonly shape: readonly number[];
  /** As the peers' tasks have them. */
  readonly prompts: readonly HostTensor[];
  readonly tensors: TensorSource;
  readonly control: TaskControl;
  readonly signal: AbortSignal;
  /** Told why the ranks share no more passes. */
  readonly onLost: (reason: string) => void;
}

type Call = BidiCall<RunFramesRequest, RunFramesResponse>;

/**
 * The first of the ranks that share a clip's frames: it says which pass comes. They share until one
 * fails or is silent; this node then computes that pass, and all later ones, by itself.
 */
export class FramesLink {
  readonly #options: FramesLinkOptions;
  readonly #shard: FrameShard;
  readonly #groupId = randomUUID();
  readonly #group: FrameGroup;
  readonly #clients: readonly PeerServiceClient[];
  readonly #calls: readonly Call[];
  readonly #ready: Promise<void>;
  #onReady = (): void => {};
  #loading: number;
  #passes = 0;
  #isOver = false;

  constructor(lent: LentRanks, options: FramesLinkOptions) {
    const { peers, ownAddress, epoch } = lent;
    this.#options = options;
    const { shape, signal, transport, jobKey } = options;
    const frames = shape[2] ?? 0;
    const ranksMax = Math.floor(frames / framesMin(options.model.files.unetConfig, shape));
    const ranks = [{ address: ownAddress, taskId: "" }, ...peers].slice(0, ranksMax);
    const frameCounts = equalParts(frames, { parts: ranks.length });
    this.#shard = { rank: 0, frameCounts };
    const members = ranks.map(({ address }, rank) => ({ address, frames: frameCounts[rank] ?? 0 }));
    const group = { groupId: this.#groupId, epoch, members };
    this.#group = openGroup({ ...group, shard: this.#shard, jobKey }, { signal, transport });
    options.groups.add(this.#groupId, this.#group);
    this.#loading = ranks.length;
    const late = `not every rank is ready after ${readyPatienceMs} ms`;
    const timer = setTimeout(() => this.#end(late), readyPatienceMs);
    this.#ready = new Promise((resolve) => {
      this.#onReady = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    const others = ranks.slice(1);
    this.#clients = others.map(
      ({ address }) => new PeerServiceClient(...transport.to(address, "node")),
    );
    this.#calls = this.#clients.map((client, at) =>
      openBidi(client.runFrames.bind(client), {
        subject: `frames at ${others[at]?.address}`,
        signal,
      }),
    );
    this.#calls.forEach((call, at) => {
      const taskId = others[at]?.taskId ?? "";
      const token = jobToken(jobKey, ["frames", taskId]);
      const value = { ...group, taskId, rank: at + 1, shape: [...shape], jobToken: token };
      void this.#send(call, { $case: "open", value });
      void this.#read(call);
    });
    if (others.length > 0) void this.#prepare();
    else this.#end(`${frames} frames are too few to be shared`);
  }

  /** Waits until the ranks are ready. Undefined where they are over, or one fails meanwhile. */
  readonly ask: PassHelper = (pass) => {
    const promptIndex = this.#options.prompts.findIndex((prompt) => prompt === pass.prompts[0]);
    const isShared = pass.prompts.length === 1 && promptIndex >= 0;
    if (this.#isOver || !isShared) return undefined;
    return this.#share(pass, promptIndex);
  };

  async #share(pass: Parameters<PassHelper>[0], promptIndex: number) {
    const { model, tensors, control } = this.#options;
    await this.#ready;
    if (this.#isOver) return undefined;
    const number = this.#passes;
    this.#passes += 1;
    const { latents, timestep } = pass;
    const bytes = float32Values(latents);
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const value = { pass: number, timestep, promptIndex, latents: data };
    for (const call of this.#calls) void this.#send(call, { $case: "pass", value });
    try {
      const exchange = this.#group.exchanger(number);
      const terms = { ...pass, tensors, shard: this.#shard, exchange };
      return await predictFrames(model, terms, control);
    } catch (thrown) {
      // The task itself was stopped: nobody wants the pass any more.
      if (control.signal?.aborted === true) throw thrown;
      this.#end(fromUnknown(thrown, "a pass").message);
      return undefined;
    }
  }

  /** Asks for no more: the peers' tasks end. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const call of this.#calls) call.end();
    this.#leave("the task has ended");
  }

  async #prepare(): Promise<void> {
    const { model, shape, prompts, tensors } = this.#options;
    const like = { latents: { shape, data: new Float32Array(0) }, prompts: prompts.slice(0, 1) };
    try {
      await preparedFrames(model, { ...like, shard: this.#shard, tensors });
      this.#onRankReady();
    } catch (thrown) {
      this.#end(fromUnknown(thrown, "loading").message);
    }
  }

  async #send(call: Call, request: NonNullable<RunFramesRequest["request"]>): Promise<void> {
    // A call that is broken says why to its reader.
    await call.send({ request }).catch(() => undefined);
  }

  async #read(call: Call): Promise<void> {
    try {
      for await (const { response } of call.responses) {
        if (response?.$case === "ready") this.#onRankReady();
      }
      this.#end("a rank has ended");
    } catch (thrown) {
      this.#end(fromUnknown(thrown, "a rank").message);
    }
  }

  #onRankReady(): void {
    this.#loading -= 1;
    if (this.#loading === 0) this.#onReady();
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const call of this.#calls) call.cancel();
    this.#leave(reason);
    this.#options.onLost(`this node goes on with all frames: ${reason}`);
  }

  #leave(reason: string): void {
    this.#onReady();
    const end = new RetakeError(Code.Unavailable, "peer-silent", `frames: ${reason}`);
    this.#options.groups.remove(this.#groupId, end);
    for (const client of this.#clients) client.close();
  }
}

/** Lets a task share its passes with the ranks that are lent to it, one set after the other. */
export async function withLentRanks<Value>(
  sharing: Omit<
    FramesLinkOptions,
    "groups" | "transport" | "jobKey" | "shape" | "signal" | "onLost"
  > & {
    readonly context: NodeContext;
    readonly task: TaskHeader;
    readonly latents: HostTensor;
  },
  work: (passHelper: PassHelper) => Promise<Value>,
): Promise<Value> {
  const { context, task, latents, control } = sharing;
  const stop = new AbortController();
  const onLost = (reason: string): void => control.onWarning?.(reason);
  const { groups, transport } = context;
  const own = { groups, transport, jobKey: task.jobKey };
  const terms = { ...sharing, ...own, shape: latents.shape, signal: stop.signal, onLost };
  let link: FramesLink | undefined;
  const take = (lent: LentRanks): void => {
    link?.close();
    link = new FramesLink(lent, terms);
  };
  try {
    return await context.lentRanks.during(task.taskId, take, () => work((pass) => link?.ask(pass)));
  } catch (thrown) {
    stop.abort("the task has failed");
    throw thrown;
  } finally {
    link?.close();
  }
}
