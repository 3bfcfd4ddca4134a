import {
  type ClusterState,
  type CoordinatorEvent,
  type Decision,
  type EditRecord,
  type Effect,
  isTerminal,
  standby,
} from "@retake/coordinator/job";
import type { Cluster, CoordinatorPort } from "./cluster.js";
import { type Chance, mixed } from "./random.js";
import type { Store } from "./store.js";
import { clipOf, publishedOf } from "./toy.js";

const leaderLeaseMs = 3_000;
const tickMs = 500;

/** One coordinator process: the pure decisions, and an edge that runs their effects. */
export class SimCoordinator implements CoordinatorPort {
  readonly name: string;
  life = 0;
  isUp = false;
  stoppedUntilMs = 0;
  /** What the clock of its machine is ahead. */
  clockOffsetMs = 0;
  state: ClusterState;
  readonly cluster: Cluster;
  #queues = new Map<string, Effect[]>();
  /** Of records and logs, as this life knows them. */
  #sequences = new Map<string, number>();
  #isStoreFull = false;
  /** Grows with every life and every fall: answers to an earlier reign are not heard. */
  #reign = 0;
  #ackWaiters = new Map<string, ((isAccepted: boolean) => void)[]>();

  constructor(cluster: Cluster, name: string) {
    this.cluster = cluster;
    this.name = name;
    this.state = standby(name);
  }

  get #chance(): Chance {
    return this.cluster.world.chance;
  }

  start(): void {
    this.life += 1;
    this.isUp = true;
    this.#standBy();
    this.#tick();
  }

  get #id(): string {
    return `${this.name}#${this.#reign}`;
  }

  #standBy(): void {
    this.#reign += 1;
    this.state = standby(this.#id);
    this.#queues = new Map();
    this.#sequences = new Map();
    this.#ackWaiters = new Map();
    this.#isStoreFull = false;
  }

  crash(restartMs: number): void {
    if (!this.isUp) return;
    const { world } = this.cluster;
    world.count("coordinator killed");
    world.note(`${this.name} is killed`);
    this.isUp = false;
    this.life += 1;
    this.#reign += 1;
    world.at(restartMs, () => this.start());
  }

  #tick(): void {
    const { world, store } = this.cluster;
    world.inProcess(this, tickMs, () => this.#tick());
    if (this.state.role === "fenced") this.#standBy();
    const lease = store.lead(this.#id, leaderLeaseMs);
    // Another has led meanwhile: what waits for the store is of a reign that is over.
    if (lease?.isNew && this.state.role === "active") this.#standBy();
    else if (lease?.isNew) this.#takeOver(lease.epoch);
    if (this.state.role !== "active") return;
    this.handle({ kind: "tick" });
    for (const [editId, { record }] of store.records) {
      if (record.epoch < this.state.epoch && !this.state.edits.has(editId)) this.#find(editId);
    }
  }

  /** A record that landed after the takeover had read them all: its create met nobody. */
  #find(editId: string): void {
    const records = new Map<string, EditRecord>();
    const logs = new Map<string, ReturnType<Store["fence"]>>();
    if (!this.#adopt(editId, { epoch: this.state.epoch, records, logs })) return;
    const record = records.get(editId);
    const log = logs.get(editId);
    if (record === undefined || log === undefined) return;
    this.cluster.world.count("record found");
    this.#queues.delete(editId);
    this.handle({ kind: "record-found", record, log });
  }

  /** One write at a time, so that another coordinator's writes may come between. */
  #takeOver(epoch: number): void {
    const { world, store } = this.cluster;
    world.count("takeover");
    world.note(`${this.name} takes over with epoch ${epoch}`);
    const reign = this.#reign;
    const records = new Map<string, EditRecord>();
    const logs = new Map<string, ReturnType<Store["fence"]>>();
    const left = [...store.records.keys()];
    const next = (): void => {
      if (this.#reign !== reign) return;
      const editId = left.pop();
      if (editId !== undefined) {
        if (!this.#adopt(editId, { epoch, records, logs })) {
          this.#standBy();
          return;
        }
        world.inProcess(this, store.delayMs, next);
        return;
      }
      const late = [...store.records.keys()].filter((id) => !records.has(id));
      if (late.length > 0) {
        left.push(...late);
        next();
        return;
      }
      this.handle({ kind: "coordinator-took-over", epoch, records: [...records.values()], logs });
    };
    world.inProcess(this, store.delayMs, next);
  }

  /** @returns whether the takeover goes on: one that was stopped may find a later one's epoch */
  #adopt(
    editId: string,
    {
      epoch,
      records,
      logs,
    }: {
      epoch: number;
      records: Map<string, EditRecord>;
      logs: Map<string, ReturnType<Store["fence"]>>;
    },
  ): boolean {
    const { store } = this.cluster;
    const stored = store.records.get(editId);
    if (stored === undefined) return true;
    const { record, sequence } = stored;
    const isLate = record.epoch > epoch || store.logOf(editId).fencedBelow > epoch;
    if (isLate && store.comparesAndSets) return false;
    const isOpen = !isTerminal(record);
    const mine = isOpen ? { ...record, epoch, revision: record.revision + 1 } : record;
    const written = isOpen ? store.put(mine, sequence) : sequence;
    if (written === null) return false;
    records.set(editId, mine);
    this.#sequences.set(editId, written);
    logs.set(editId, store.fence(editId, epoch));
    this.#sequences.set(`log.${editId}`, store.logOf(editId).sequence);
    return true;
  }

  /** Decides, and runs what follows. */
  handle(event: CoordinatorEvent): Decision {
    const { world, options } = this.cluster;
    const before = this.state;
    const nowMs = world.nowMs + this.clockOffsetMs;
    const decision = this.cluster.decide(before, event, nowMs, options);
    world.count("decision");
    if (decision.reason === "") world.violate(`${event.kind} was decided without a reason`);
    if (decision.refusal !== null) {
      world.count(`refused: ${decision.refusal.reason}`);
      const isEnd = event.kind === "task-finished" || event.kind === "task-failed";
      if (!isEnd && decision.state.edits !== before.edits) {
        world.violate(`${event.kind} was refused, and changed an edit`);
      }
    }
    if (decision.reason.includes("as the log has it")) world.count("step computed again");
    if (decision.reason.includes("fit on no node")) world.count("smaller passes");
    if (decision.reason.includes("is called back")) world.count("peer called back");
    if (event.kind !== "heartbeat" && event.kind !== "tick") {
      world.note(`${this.name} ${event.kind}: ${decision.reason}`);
    } else if (decision.reason.includes(";")) world.note(`${this.name}: ${decision.reason}`);
    this.state = decision.state;
    const reign = this.#reign;
    for (const effect of decision.effects) {
      if (this.#reign !== reign) break;
      this.#enqueue(effect);
    }
    return decision;
  }

  #enqueue(effect: Effect): void {
    const editId = "editId" in effect ? effect.editId : "";
    if (editId === "") {
      this.#run(effect, () => {});
      return;
    }
    const queue = this.#queues.get(editId) ?? [];
    this.#queues.set(editId, queue);
    queue.push(effect);
    if (queue.length === 1) this.#runNext(editId);
  }

  #runNext(editId: string): void {
    const [effect] = this.#queues.get(editId) ?? [];
    if (effect === undefined) return;
    this.#run(effect, () => {
      this.#queues.get(editId)?.shift();
      this.#runNext(editId);
    });
  }

  /** @param done  called when the next effect of the edit may run */
  #run(effect: Effect, done: () => void): void {
    const { world, crashAtEffect } = this.cluster;
    if (world.nowMs < world.faultsUntilMs && this.#chance.happens(crashAtEffect)) {
      this.crash(this.#chance.whole({ min: 100, max: 4000 }));
      world.count(`coordinator killed at ${effect.kind}`);
      return;
    }
    switch (effect.kind) {
      case "write-record":
        this.#write(effect, done);
        return;
      case "write-commit":
        this.#write(effect, done);
        return;
      case "step-down":
        world.count("fenced coordinator");
        this.#queues = new Map();
        return;
      case "run-here":
        this.#runHere(effect);
        break;
      case "start-task":
      case "open-tune":
        this.#command(effect.task.nodeId, effect);
        break;
      default:
        if (effect.nodeId !== "") this.#command(effect.nodeId, effect);
    }
    done();
  }

  #command(nodeId: string, effect: Effect): void {
    const { world, nodes } = this.cluster;
    const node = nodes.find(({ name }) => name === nodeId);
    const { epoch } = this.state;
    if (node) world.send(this, node, () => node.command({ from: this, epoch, effect }));
  }

  /** A write lands, whether its writer lives to hear of it or not. */
  #write(effect: Extract<Effect, { kind: `write-${string}` }>, done: () => void): void {
    const { world, store } = this.cluster;
    const reign = this.#reign;
    const isRecord = effect.kind === "write-record";
    const key = isRecord ? effect.editId : `log.${effect.editId}`;
    const last = this.#sequences.get(key) ?? 0;
    world.at(store.delayMs, () => {
      if (store.isFull) {
        world.count("write to a full store");
        if (this.#reign === reign) world.inProcess(this, 0, () => this.#onFull(effect, done));
        return;
      }
      const sequence = isRecord
        ? store.put(effect.record, last)
        : store.append(effect.commit, last);
      world.inProcess(this, store.delayMs, () => {
        if (this.#reign === reign) this.#onAnswer(effect, { key, sequence, done });
      });
    });
  }

  #onFull(effect: Extract<Effect, { kind: `write-${string}` }>, done: () => void): void {
    const reign = this.#reign;
    if (!this.#isStoreFull) {
      this.#isStoreFull = true;
      this.handle({ kind: "store-full", what: "a record" });
    }
    this.cluster.world.inProcess(this, 700, () => {
      if (this.#reign === reign) this.#write(effect, done);
    });
  }

  #onAnswer(
    effect: Extract<Effect, { kind: `write-${string}` }>,
    { key, sequence, done }: { key: string; sequence: number | null; done: () => void },
  ): void {
    if (this.state.role !== "active") return;
    const stored = this.cluster.store.records.get(effect.editId)?.record;
    const isCreate = effect.kind === "write-record" && effect.record.revision === 1;
    if (sequence === null && isCreate && stored && stored.epoch < this.state.epoch) {
      this.#find(effect.editId);
      return;
    }
    if (sequence === null) {
      this.handle({ kind: "fenced", what: key });
      return;
    }
    this.#sequences.set(key, sequence);
    if (this.#isStoreFull) {
      this.#isStoreFull = false;
      this.handle({ kind: "store-has-room" });
    }
    done();
    if (effect.kind === "write-commit") {
      const { editId, epoch, quorumId, step } = effect.commit;
      this.handle({ kind: "commit-written", editId, epoch, quorumId, step });
      return;
    }
    for (const answer of this.#ackWaiters.get(effect.editId) ?? []) answer(true);
    this.#ackWaiters.delete(effect.editId);
  }

  /** A client hears of its edit when the record is stored. */
  submit(
    event: Extract<CoordinatorEvent, { kind: "submitted" }>,
    answer: (isAccepted: boolean) => void,
  ): void {
    const { refusal } = this.handle(event);
    // Until the node has joined that it fits on: the client asks again.
    if (refusal?.reason === "memory-short") return;
    if (refusal !== null) answer(false);
    else if (this.cluster.store.records.has(event.editId)) answer(true);
    else
      this.#ackWaiters.set(event.editId, [...(this.#ackWaiters.get(event.editId) ?? []), answer]);
  }

  #runHere({ editId, task, record }: Extract<Effect, { kind: "run-here" }>): void {
    const { epoch } = this.state;
    const origin = { editId, taskId: task.id, nodeId: "", incarnation: "", epoch };
    const isIngest = task.kind === "ingest";
    const value = isIngest ? clipOf(record.spec) : publishedOf(record);
    const artifactId = String(value);
    const files = isIngest ? [] : [{ name: "all", artifactId, sizeBytes: mixed(value) % 1000 }];
    this.cluster.world.inProcess(this, this.#chance.whole({ min: 20, max: 120 }), () => {
      this.handle({ kind: "task-finished", ...origin, result: { artifactId, files } });
    });
  }
}
