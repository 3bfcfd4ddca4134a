import { Code, faultPoint, fromUnknown, RetakeError } from "@retake/errors";
import type { Logger } from "pino";
import {
  type ClusterState,
  type DecideOptions,
  type NodeView,
  standby,
} from "../job/cluster-state.js";
import { decide } from "../job/decide.js";
import type { EditRecord } from "../job/edit-record.js";
import type { Effect, EffectOf } from "../job/effects.js";
import type { CommitLog, CoordinatorEvent } from "../job/events.js";
import type { Decision } from "../job/turn.js";
import type { Stored } from "../store/record-store.js";
import { type Adopted, adopt, type EditStores } from "./adopt.js";
import { Changes } from "./changes.js";
import { EditWriter } from "./edit-writer.js";
import { EffectQueues } from "./effect-queues.js";
import { EventWriter } from "./event-writer.js";
import { tickEveryMs } from "./limits.js";
import { untilAborted } from "./until-aborted.js";

/** What is done outside this process and its store. */
export type TaskEffect = Exclude<
  Effect,
  EffectOf<"write-record"> | EffectOf<"write-commit"> | EffectOf<"step-down">
>;

/** Who runs tasks: on nodes, or here. */
export interface TaskRunner {
  run(effect: TaskEffect): void;
  /** The nodes have changed: calls to those that are gone end. */
  onNodes(nodes: ReadonlyMap<string, NodeView>): void;
  close(): void;
}

export interface ReignOptions {
  readonly coordinatorId: string;
  readonly epoch: number;
  readonly stores: EditStores;
  readonly decideOptions: DecideOptions;
  readonly nowUnixMs: () => number;
  readonly logger: Logger;
  readonly createRunner: (reign: Reign) => TaskRunner;
  readonly onDecision?: ((event: CoordinatorEvent, decision: Decision) => void) | undefined;
}

/**
 * The time in which this process decides for the cluster: from its takeover until another has the
 * store. It owns the one state, feeds events to `decide` one at a time, and runs what is decided.
 */
export class Reign {
  readonly epoch: number;
  readonly #options: ReignOptions;
  readonly #writer: EditWriter;
  readonly #events: EventWriter;
  readonly #queues: EffectQueues;
  readonly #runner: TaskRunner;
  readonly #changes = new Changes();
  /** As they are in the store: what clients see. */
  readonly #stored = new Map<string, EditRecord>();
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #state: ClusterState;

  /** @param taken  all edits of the store, adopted for this epoch */
  constructor(options: ReignOptions, taken: readonly Adopted[]) {
    const { stores, logger, epoch, coordinatorId } = options;
    this.#options = options;
    this.epoch = epoch;
    this.#state = standby(coordinatorId);
    this.#writer = new EditWriter({
      ...{ stores, signal: this.signal },
      onStoreFull: (what) => this.tell({ kind: "store-full", what }),
      onStoreRoom: () => this.tell({ kind: "store-has-room" }),
      onWait: (message) => logger.warn({ reason: message }, "a write waits for the store"),
    });
    this.#events = new EventWriter({
      ...{ events: stores.events, signal: this.signal, nowUnixMs: options.nowUnixMs },
      onLost: (message) => logger.warn({ reason: message }, "a line of history is lost"),
    });
    this.#queues = new EffectQueues((thrown) => this.#onFault(thrown));
    this.#runner = options.createRunner(this);
    const logs = new Map<string, CommitLog>();
    for (const adopted of taken) {
      this.#know(adopted);
      if (adopted.log !== undefined) logs.set(adopted.record.id, adopted.log);
    }
    const records = taken.map(({ record }) => record);
    this.tell({ kind: "coordinator-took-over", epoch, records, logs });
    this.#timer = setInterval(() => this.tell({ kind: "tick" }), tickEveryMs);
    void this.#findLate().catch((thrown: unknown) => this.#onFault(thrown));
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** Aborted when the reign ends; its reason says why. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get effectsWaiting(): number {
    return this.#queues.waitingCount;
  }

  /** Decides on an event; what follows from it is done soon, in order. */
  tell(event: CoordinatorEvent): Decision {
    const { decideOptions, nowUnixMs, onDecision } = this.#options;
    const before = this.#state;
    const decision = decide(before, event, nowUnixMs(), decideOptions);
    this.#state = decision.state;
    this.#log(event, decision);
    onDecision?.(event, decision);
    for (const effect of decision.effects) this.#enqueue(effect);
    if (decision.state.nodes !== before.nodes) {
      this.#runner.onNodes(decision.state.nodes);
      this.#changes.tell("nodes");
    }
    if (decision.state.isStoreFull !== before.isStoreFull) {
      for (const editId of this.#stored.keys()) this.#changes.tell(editId);
    }
    if ("editId" in event && decision.state.edits !== before.edits) {
      this.#changes.tell(event.editId);
    }
    return decision;
  }

  /** Resolves when all that was decided for an edit so far is stored and begun. */
  async settled(editId: string): Promise<void> {
    this.signal.throwIfAborted();
    await untilAborted(this.#queues.settled(editId), this.signal);
  }

  /** The record as it is stored. */
  stored(editId: string): EditRecord | undefined {
    return this.#stored.get(editId);
  }

  get storedRecords(): Iterable<EditRecord> {
    return this.#stored.values();
  }

  /** Resolves at the next change of an edit, or of the nodes ("nodes"). Ask before you look. */
  changed(key: string, signal: AbortSignal): Promise<void> {
    return this.#changes.next(key, signal);
  }

  /** A record was removed by garbage collection. */
  forget(editId: string): void {
    this.#stored.delete(editId);
    this.#writer.forget(editId);
    this.#events.forget(editId);
    this.tell({ kind: "forgotten", editId });
  }

  /** Nothing more is decided, written or begun by this reign. */
  end(reason: string): void {
    if (this.signal.aborted) return;
    clearInterval(this.#timer);
    const message = `coordinator: ${reason}; ask again in a moment`;
    const error = new RetakeError(Code.Unavailable, "not-active", message);
    this.#ending.abort(error);
    this.#changes.close(error);
    this.#runner.close();
  }

  #enqueue(effect: Effect): void {
    const editId = "editId" in effect ? effect.editId : "";
    if (effect.kind === "step-down") this.end(effect.reason);
    else if (editId === "") this.#run(effect as TaskEffect);
    else if (effect.kind === "write-record") {
      this.#events.tell(effect.record);
      const write = (): Promise<void> => this.#writeRecord(effect.record);
      this.#queues.push(editId, write, { kind: effect.kind, replaces: true });
    } else if (effect.kind === "write-commit") {
      this.#queues.push(editId, () => this.#writeCommit(effect));
    } else this.#queues.push(editId, async () => this.#run(effect));
  }

  #run(effect: TaskEffect): void {
    if (!this.signal.aborted) this.#runner.run(effect);
  }

  async #writeRecord(record: EditRecord): Promise<void> {
    const { id } = record;
    const write = await this.#writer.writeRecord(record);
    if (write.outcome === "written") {
      this.#stored.set(id, record);
      this.#changes.tell(id);
      return;
    }
    // A create that met an earlier coordinator's: the client has asked both.
    const found = await this.#options.stores.records.get(id);
    if (found !== undefined && found.value.epoch < this.epoch && !this.#stored.has(id)) {
      await this.#find(found);
      return;
    }
    this.tell({ kind: "fenced", what: `record of edit ${id} (${write.reason})` });
    this.signal.throwIfAborted();
  }

  async #writeCommit({ editId, commit }: EffectOf<"write-commit">): Promise<void> {
    const { epoch, quorumId, step } = commit;
    await faultPoint("before-commit", { editId, step });
    const write = await this.#writer.writeCommit(commit);
    if (write.outcome === "conflict") {
      this.tell({ kind: "fenced", what: `log of edit ${editId} (${write.reason})` });
      this.signal.throwIfAborted();
    }
    await faultPoint("after-commit", { editId, step });
    this.tell({ kind: "commit-written", editId, epoch, quorumId, step });
  }

  /** Records that an earlier coordinator created after this one had read all. */
  async #findLate(): Promise<void> {
    const changes = this.#options.stores.records.watch({ signal: this.signal });
    for await (const change of changes) {
      if (this.signal.aborted) return;
      if (change.kind !== "put" || change.value.epoch >= this.epoch) continue;
      if (!this.#state.edits.has(change.id)) await this.#find(change);
    }
  }

  async #find(found: Stored<EditRecord>): Promise<void> {
    const adopted = await adopt(this.#options.stores, found, this.epoch);
    if (adopted === "gone" || this.signal.aborted) return;
    if (adopted === undefined) {
      this.tell({ kind: "fenced", what: `record of edit ${found.id}` });
      return;
    }
    this.#know(adopted);
    const { record, log = noLog } = adopted;
    this.tell({ kind: "record-found", record, log });
  }

  #know(adopted: Adopted): void {
    this.#writer.know(adopted);
    this.#stored.set(adopted.record.id, adopted.record);
  }

  #onFault(thrown: unknown): void {
    if (this.signal.aborted) return;
    const error = fromUnknown(thrown, "the coordinator's loop");
    this.#options.logger.error({ code: error.code, reason: error.reason, err: error }, "fault");
    this.end(error.message);
  }

  #log(event: CoordinatorEvent, { reason, refusal, state }: Decision): void {
    const { logger } = this.#options;
    const edit = "editId" in event ? event.editId : undefined;
    const attempt = edit === undefined ? undefined : state.edits.get(edit)?.record.attempt;
    const step = "step" in event ? event.step : undefined;
    const about = { event: event.kind, edit, attempt, step, refused: refusal?.reason };
    const isNews = event.kind !== "heartbeat" || reason.includes(";");
    if (isNews && event.kind !== "task-progress" && reason !== "nothing changes") {
      logger.info(about, reason);
    } else logger.trace(about, reason);
  }
}

const noLog: CommitLog = { committedSteps: 0, attempts: 0, weightsHash: "", commits: [] };
