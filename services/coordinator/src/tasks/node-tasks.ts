import { createHmac, randomBytes } from "node:crypto";
import { fromUnknown } from "@retake/errors";
import { callUnary, failureOf } from "@retake/wire";
import type { Transport } from "@retake/wire/tls";
import type { Logger } from "pino";
import type { NodeView } from "../job/cluster-state.js";
import type { EditRecord, Task } from "../job/edit-record.js";
import type { EffectOf } from "../job/effects.js";
import type { Reign } from "../loop/reign.js";
import type { ArtifactStore } from "../store/artifact-store.js";
import { followTask } from "./follow-task.js";
import { NodeLinks } from "./node-links.js";
import type { TaskNews, TaskPort } from "./task-port.js";
import { type MemberEffect, TuneCall } from "./tune-call.js";

interface OpenCall {
  readonly nodeId: string;
  readonly incarnation: string;
  readonly stop: AbortController;
  readonly tune: TuneCall | undefined;
}

interface Assigned {
  readonly task: Task;
  readonly record: EditRecord;
}

export interface NodeTasksOptions {
  readonly logger: Logger;
  readonly transport: Transport;
  /** What each node wants to be shown, by address. */
  readonly nodeTokens: Map<string, string>;
}

/** The tasks of one reign that run on nodes. */
export class NodeTasks {
  readonly #reign: Reign;
  readonly #artifacts: ArtifactStore;
  readonly #logger: Logger;
  readonly #links: NodeLinks;
  readonly #calls = new Map<string, OpenCall>();
  /** Of this reign: the next one's tasks have other keys, and nothing has to be stored. */
  readonly #secret = randomBytes(32);

  constructor(
    reign: Reign,
    artifacts: ArtifactStore,
    { logger, transport, nodeTokens }: NodeTasksOptions,
  ) {
    this.#reign = reign;
    this.#artifacts = artifacts;
    this.#logger = logger;
    this.#links = new NodeLinks(transport, nodeTokens);
  }

  start(effect: EffectOf<"start-task">): void {
    const { task, record } = effect;
    const client = this.#clientOf(task);
    if (client === undefined) return;
    const stop = new AbortController();
    this.#calls.set(task.id, { ...placeOf(task), stop, tune: undefined });
    const settings = { subject: subjectOf(task), signal: stop.signal };
    const port = this.#portOf(effect);
    const followed = { task, record, jobKey: this.#jobKeyOf(record), client, settings };
    void this.#untilEnd(effect, port, () => followTask(followed, port));
  }

  openTune(effect: EffectOf<"open-tune">): void {
    const { task, record } = effect;
    const client = this.#clientOf(task);
    if (client === undefined) return;
    const stop = new AbortController();
    const settings = { subject: subjectOf(task), signal: stop.signal };
    const port = this.#portOf(effect);
    const assigned = { task, record, jobKey: this.#jobKeyOf(record) };
    const tune = new TuneCall(client, assigned, { port, settings });
    this.#calls.set(task.id, { ...placeOf(task), stop, tune });
    void this.#untilEnd(effect, port, () => tune.follow());
  }

  tellMember(effect: MemberEffect): void {
    this.#calls.get(effect.taskId)?.tune?.tell(effect);
  }

  /** A node that cannot be told needs no help: its helper is free again. */
  lendBranch({ taskId, nodeId, helper, address }: EffectOf<"lend-branch">): void {
    const samplerAddress = this.#reign.state.nodes.get(nodeId)?.info.address;
    const cancel = (): void => this.#calls.get(helper.id)?.stop.abort("it cannot be lent");
    if (samplerAddress === undefined) {
      cancel();
      return;
    }
    const client = this.#links.to(samplerAddress);
    const branch = { peerAddress: address, branchTaskId: helper.id };
    const request = { taskId, epoch: this.#reign.epoch, ...branch };
    const settings = { subject: `lending a branch to task ${taskId}` };
    void callUnary(client.lendBranch.bind(client), request, settings).catch((thrown: unknown) => {
      this.#logger.info({ task: taskId }, fromUnknown(thrown, settings.subject).message);
      cancel();
    });
  }

  /** As `lendBranch`, with all that share the frames. */
  lendFrames({ taskId, nodeId, ownAddress, helpers }: EffectOf<"lend-frames">): void {
    const cancel = (): void => {
      for (const { task } of helpers) this.#calls.get(task.id)?.stop.abort("they cannot be lent");
    };
    const leaderAddress = this.#reign.state.nodes.get(nodeId)?.info.address;
    if (leaderAddress === undefined) {
      cancel();
      return;
    }
    const client = this.#links.to(leaderAddress);
    const peers = helpers.map(({ task, address }) => ({ address, taskId: task.id }));
    const request = { taskId, epoch: this.#reign.epoch, peers, ownAddress };
    const settings = { subject: `lending nodes to task ${taskId}` };
    void callUnary(client.lendFrames.bind(client), request, settings).catch((thrown: unknown) => {
      this.#logger.info({ task: taskId }, fromUnknown(thrown, settings.subject).message);
      cancel();
    });
  }

  /** The node says by the end of the task's stream that it has stopped. */
  abort({ taskId, nodeId, reason }: EffectOf<"abort-task">): void {
    const address = this.#reign.state.nodes.get(nodeId)?.info.address;
    const cancel = (): void => this.#calls.get(taskId)?.stop.abort(reason);
    if (address === undefined) {
      cancel();
      return;
    }
    const client = this.#links.to(address);
    const request = { taskId, epoch: this.#reign.epoch, reason };
    void callUnary(client.abort.bind(client), request, { subject: `aborting task ${taskId}` }).then(
      // It may not have begun yet: its call must not begin it now.
      ({ wasRunning }) => wasRunning || cancel(),
      (thrown: unknown) => {
        this.#logger.info({ task: taskId }, fromUnknown(thrown, "abort").message);
        cancel();
      },
    );
  }

  /** Ends the calls to nodes that are gone: whatever they still send is of the past. */
  onNodes(nodes: ReadonlyMap<string, NodeView>): void {
    for (const { nodeId, incarnation, stop } of [...this.#calls.values()]) {
      if (nodes.get(nodeId)?.info.incarnation !== incarnation) stop.abort("its node is lost");
    }
    this.#links.keepOnly(new Set([...nodes.values()].map(({ info }) => info.address)));
  }

  close(): void {
    for (const { stop } of [...this.#calls.values()]) stop.abort("the coordinator steps down");
    this.#links.close();
  }

  #clientOf({ nodeId }: Task) {
    const address = this.#reign.state.nodes.get(nodeId)?.info.address;
    return address === undefined ? undefined : this.#links.to(address);
  }

  #jobKeyOf({ id }: EditRecord): Buffer {
    return createHmac("sha256", this.#secret).update(id).digest();
  }

  #portOf({ task, record }: Assigned): TaskPort {
    const { id: taskId, epoch } = task;
    const editId = record.id;
    const origin = { editId, taskId, epoch, ...placeOf(task) };
    return {
      artifacts: this.#artifacts,
      tell: async (news: TaskNews) => {
        if (this.#reign.signal.aborted) return;
        this.#reign.tell({ ...news, ...origin });
        await this.#reign.settled(editId);
      },
    };
  }

  async #untilEnd({ task }: Assigned, port: TaskPort, follow: () => Promise<void>): Promise<void> {
    try {
      await follow();
    } catch (thrown) {
      if (this.#reign.signal.aborted) return;
      const failure = failureOf(fromUnknown(thrown, subjectOf(task)));
      // A reign that ends meanwhile voids the task by itself.
      await port.tell({ kind: "task-failed", failure }).catch(() => undefined);
    } finally {
      this.#calls.delete(task.id);
    }
  }
}

const placeOf = ({ nodeId, incarnation }: Task) => ({ nodeId, incarnation });
const subjectOf = ({ kind, id, nodeId }: Task): string => `${kind} ${id} on node ${nodeId}`;
