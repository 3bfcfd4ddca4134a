import type {
  CoordinatorEvent,
  EditRecord,
  Effect,
  NodeRates,
  Quorum,
  TaskOrigin,
} from "@retake/coordinator/job";
import type { Cluster, CoordinatorPort, DrawPartial, NodePort, Tuned } from "./cluster.js";
import type { Job, Lent, Member } from "./jobs.js";
import { endLent, LentRanks } from "./lent-ranks.js";
import { mixed } from "./random.js";
import { chosenRates } from "./rates.js";
import {
  appliedWeights,
  branchOf,
  frameOf,
  guidedAfter,
  invertedAfter,
  isFiniteTry,
  isGuided,
  iterationCount,
  joinedMoments,
  momentsOf,
  startWeights,
  sumOfRank,
} from "./toy.js";
import { chosenMemory, misplaced, toyModel } from "./toy-model.js";

const heartbeatMs = 900;
const pollMs = 15;
const pollsMax = 80;

/** A model node with toy mathematics: it believes what it is told, of the highest epoch. */
export class SimNode implements NodePort {
  readonly name: string;
  life = 0;
  isUp = false;
  stoppedUntilMs = 0;
  isFull = false;
  /** Its next exchange with others brings it one wrong byte. */
  isCorrupt = false;
  readonly cluster: Cluster;
  readonly numericsId: string;
  readonly memoryBytes: number;
  readonly jobs = new Map<string, Job>();
  readonly members = new Map<string, Member>();
  /** By the task that samples. */
  readonly #lent = new Map<string, Lent>();
  readonly #ranks: LentRanks;
  readonly #rates: NodeRates;
  #tuned = new Map<string, Tuned>();
  #epoch = 0;

  constructor(
    cluster: Cluster,
    terms: { readonly name: string; readonly numericsId: string; readonly slower: number },
  ) {
    const { name, numericsId, slower } = terms;
    this.cluster = cluster;
    this.name = name;
    this.numericsId = numericsId;
    this.#ranks = new LentRanks(cluster, this);
    this.#rates = chosenRates(cluster.world.chance, slower);
    this.memoryBytes = chosenMemory(cluster.world.chance, cluster.nodes.length === 0);
  }

  get incarnation(): string {
    return `${this.name}#${this.life}`;
  }

  start(): void {
    this.life += 1;
    this.isUp = true;
    this.#tuned = new Map();
    this.#clear();
    this.#heartbeat();
  }

  crash(restartMs: number): void {
    if (!this.isUp) return;
    const { world } = this.cluster;
    world.count("node killed");
    world.note(`${this.name} is killed`);
    this.isUp = false;
    this.life += 1;
    for (const lent of this.#lent.values()) this.#endLent(lent, true);
    this.#ranks.endAll();
    world.at(restartMs, () => this.start());
  }

  #clear(): void {
    this.jobs.clear();
    this.members.clear();
    for (const lent of this.#lent.values()) this.#endLent(lent, true);
    this.#lent.clear();
    this.#ranks.endAll();
  }

  branchFor(taskId: string, latents: number): number | undefined {
    return this.jobs.has(taskId) ? branchOf(latents, -1) : undefined;
  }

  endBranch(taskId: string, isFailed: boolean): void {
    const job = this.jobs.get(taskId);
    if (job === undefined) return;
    if (!isFailed) {
      this.#finish(job, "");
      return;
    }
    this.#end(job);
    const failure = { code: "CANCELED", reason: "stopped", message: "whom it served is gone" };
    this.#say(job, { kind: "task-failed", failure });
  }

  #endLent(lent: Lent, isFailed: boolean): void {
    endLent(this.cluster, { from: this, lent, isFailed });
  }

  tunedFor(editId: string): Tuned | undefined {
    return this.#tuned.get(editId);
  }

  partials(): readonly DrawPartial[] {
    return [...this.members.values()].flatMap(({ partial }) => partial ?? []);
  }

  #heartbeat(): void {
    const { world, coordinators } = this.cluster;
    world.inProcess(this, heartbeatMs, () => this.#heartbeat());
    const { incarnation, name: nodeId } = this;
    const taskIds = [...this.jobs.keys()];
    const rates = this.#rates;
    for (const coordinator of coordinators) {
      world.send(this, coordinator, () => {
        if (coordinator.state.role !== "active") return;
        const event = { kind: "heartbeat", nodeId, incarnation, rates, taskIds } as const;
        const { refusal } = coordinator.handle(event);
        if (refusal?.reason !== "lease-lost") return;
        world.send(coordinator, this, () => this.#join(coordinator));
      });
    }
  }

  #join(coordinator: CoordinatorPort): void {
    const { world, options } = this.cluster;
    const info = {
      ...{ nodeId: this.name, incarnation: this.incarnation, address: `${this.name}:1` },
      ...{ protocolVersion: options.protocolVersion, memoryBytes: this.memoryBytes },
      ...{ numericsId: this.numericsId, engine: "toy" },
      models: [toyModel],
    };
    world.send(this, coordinator, () => {
      const { refusal } = coordinator.handle({ kind: "node-joined", info, rates: this.#rates });
      const { epoch } = coordinator.state;
      if (refusal !== null) return;
      world.send(coordinator, this, () => {
        if (epoch >= this.#epoch) this.#dropAll(epoch);
      });
    });
  }

  /** What it ran for an earlier coordinator, or before its lease ran out, is void. */
  #dropAll(epoch: number): void {
    this.#epoch = epoch;
    this.#clear();
  }

  command({ from, epoch, effect }: { from: CoordinatorPort; epoch: number; effect: Effect }): void {
    if (epoch < this.#epoch) {
      this.cluster.world.count("command of a lower epoch refused");
      return;
    }
    if (epoch > this.#epoch) this.#dropAll(epoch);
    switch (effect.kind) {
      case "start-task":
      case "open-tune": {
        const { task, record, editId } = effect;
        if (this.jobs.has(task.id)) return;
        const job: Job = { task, record, editId, epoch, from };
        const wrong = misplaced(effect, this);
        if (wrong !== "") this.cluster.world.violate(wrong);
        this.jobs.set(task.id, job);
        if (effect.kind === "start-task" && task.helps !== "") return;
        if (effect.kind === "start-task") this.#compute(job);
        else {
          const none = { quorum: null, attempts: 0, partial: null, reduced: null };
          this.members.set(task.id, { ...job, ...none });
        }
        return;
      }
      case "abort-task":
        this.#abort(effect.taskId);
        return;
      case "lend-branch":
        this.#lent.set(effect.taskId, { taskId: effect.helper.id, nodeId: effect.helper.nodeId });
        return;
      case "lend-frames":
        this.#ranks.lend(effect);
        return;
      default:
        if (!("taskId" in effect)) return;
        this.#tell(this.members.get(effect.taskId), effect);
    }
  }

  #abort(taskId: string): void {
    const job = this.jobs.get(taskId);
    if (job === undefined) return;
    this.#end(job);
    const failure = { code: "CANCELED", reason: "stopped", message: "aborted" };
    this.#say(job, { kind: "task-failed", failure });
  }

  #end({ task }: Job, isFailed = true): void {
    this.jobs.delete(task.id);
    this.members.delete(task.id);
    const lent = this.#lent.get(task.id);
    if (lent !== undefined) this.#endLent(lent, isFailed);
    this.#lent.delete(task.id);
    this.#ranks.end(task.id, isFailed);
  }

  /** Whether anybody could still take a result of this task. */
  #isVoid({ task, editId }: Job): boolean {
    const { coordinators, store } = this.cluster;
    const names = (record: EditRecord | undefined): boolean =>
      record?.tasks.some(({ id }) => id === task.id) ?? false;
    return !(
      names(store.records.get(editId)?.record) ||
      coordinators.some(({ state }) => names(state.edits.get(editId)?.record))
    );
  }

  /** What comes of a task that nobody wants any more is poison: believing it spoils the edit. */
  #valueOf(job: Job, value: number): string {
    return String(this.#isVoid(job) ? mixed(value, 666) : value);
  }

  #say(job: Job, event: DistributedOmit<CoordinatorEvent, keyof TaskOrigin>): void {
    const { task, editId, epoch, from } = job;
    const { name: nodeId, incarnation } = this;
    const origin: TaskOrigin = { editId, taskId: task.id, nodeId, incarnation, epoch };
    const whole = { ...origin, ...event } as CoordinatorEvent;
    this.cluster.world.send(this, from, () => from.handle(whole));
  }

  #later(job: Job, run: () => void): void {
    const { world } = this.cluster;
    world.inProcess(this, world.chance.whole({ min: 20, max: 90 }), () => {
      if (this.jobs.get(job.task.id)?.epoch === job.epoch) run();
    });
  }

  #compute(job: Job): void {
    this.#later(job, () => {
      const { kind } = job.task;
      if (this.isFull) {
        this.cluster.world.count("full disk of a node");
        this.#end(job);
        const failure = { code: "RESOURCE_EXHAUSTED", reason: "disk-full", message: "disk full" };
        this.#say(job, { kind: "task-failed", failure });
      } else if (kind === "encode") {
        const { begin, end } = job.task.frames;
        const clip = Number(job.record.artifacts.clip);
        const values = Array.from({ length: end - begin }, (_, index) =>
          this.#valueOf(job, momentsOf(clip, begin + index)),
        );
        this.#finish(job, values.join(","));
      } else if (kind === "decode") this.#decode(job, job.task.frames.begin);
      else this.#iterate(job);
    });
  }

  #finish(job: Job, artifactId: string): void {
    this.#end(job, false);
    this.#say(job, { kind: "task-finished", result: { artifactId, files: [] } });
  }

  #decode(job: Job, frame: number): void {
    const { task, record } = job;
    if (frame >= task.frames.end) {
      this.#finish(job, "");
      return;
    }
    const latents = Number(record.artifacts.sampled[task.promptIndex]?.artifactId);
    const artifactId = this.#valueOf(job, frameOf(latents, frame));
    this.#say(job, { kind: "frame", frame, artifactId });
    this.#later(job, () => this.#decode(job, frame + 1));
  }

  #iterate(job: Job): void {
    const { task, record } = job;
    const { artifacts } = record;
    const isInversion = task.kind === "invert";
    const from = isInversion ? artifacts.inverted : artifacts.sampled[task.promptIndex];
    const moments = artifacts.moments.map(({ artifactId }) => artifactId);
    const begin = isInversion ? joinedMoments(moments) : Number(artifacts.inverted.artifactId);
    const resume =
      from && from.done > 0
        ? { done: from.done, latents: Number(from.artifactId) }
        : { done: 0, latents: begin };
    const go = (done: number, latents: number): void => {
      if (done === iterationCount) {
        this.#finish(job, "");
        return;
      }
      this.#ranks.share(task.id);
      const next = isInversion
        ? invertedAfter(latents, Number(artifacts.delta))
        : this.#sampled(job, latents);
      const artifactId = this.#valueOf(job, next);
      this.#say(job, {
        kind: "latents",
        latents: { done: done + 1, total: iterationCount, artifactId },
      });
      this.#later(job, () => go(done + 1, next));
    };
    go(resume.done, resume.latents);
  }

  #sampled({ task, record }: Job, latents: number): number {
    const prompted = branchOf(latents, task.promptIndex);
    if (!isGuided(record.spec)) return guidedAfter(prompted);
    return guidedAfter(prompted, this.#lentBranch(task.id, latents) ?? branchOf(latents, -1));
  }

  /** Undefined where no peer computes it: this node does both from now on. */
  #lentBranch(taskId: string, latents: number): number | undefined {
    const { nodes, world } = this.cluster;
    const lent = this.#lent.get(taskId);
    if (lent === undefined) return undefined;
    const peer = nodes.find(({ name }) => name === lent.nodeId);
    const isThere = peer?.isUp && world.nowMs >= peer.stoppedUntilMs && !world.isCut(this, peer);
    const value = isThere ? peer.branchFor(lent.taskId, latents) : undefined;
    world.count(value === undefined ? "branch peer lost" : "branch by a peer");
    if (value !== undefined) return value;
    this.#endLent(lent, true);
    this.#lent.delete(taskId);
    return undefined;
  }

  #tell(member: Member | undefined, effect: Effect): void {
    if (member === undefined) return;
    if (effect.kind === "send-quorum") this.#onQuorum(member, effect.quorum);
    else if (effect.kind === "send-commit") this.#onCommit(member, effect);
    else if (effect.kind === "take-snapshot") this.#onSnapshot(member);
    else if (effect.kind === "finish-tuning") this.#onFinish(member);
  }

  #onQuorum(member: Member, quorum: Quorum): void {
    if (quorum.quorumId <= (member.quorum?.quorumId ?? 0)) return;
    Object.assign(member, { quorum, partial: null, reduced: null, attempts: quorum.attempts });
    const source = quorum.members.find(({ nodeId }) => nodeId === this.name)?.state;
    const { editId, record } = member;
    const start: Tuned = { step: 0, weights: startWeights(record.spec) };
    const ready = (tuned: Tuned): void => {
      if (member.quorum !== quorum || this.members.get(member.task.id) !== member) return;
      this.#tuned.set(editId, tuned);
      const { step: committedSteps, weights } = tuned;
      const weightsHash = String(weights);
      const { quorumId } = quorum;
      this.#say(member, { kind: "member-ready", quorumId, committedSteps, weightsHash });
      if (committedSteps === quorum.committedSteps) this.#beginStep(member);
    };
    const own: Tuned = this.#tuned.get(editId) ?? start;
    if (source?.kind === "start") ready(start);
    else if (source?.kind === "snapshot") {
      this.cluster.world.count("state from a snapshot");
      const parts = source.artifactId.split(":").map(Number);
      this.#later(member, () => ready({ step: parts[0] ?? 0, weights: parts[1] ?? 0 }));
    } else if (source?.kind === "peer") this.#pull(member, { nodeId: source.nodeId, own, ready });
    else ready({ ...own });
  }

  #pull(
    member: Member,
    { nodeId, own, ready }: { nodeId: string; own: Tuned; ready: (tuned: Tuned) => void },
  ): void {
    const { nodes, world } = this.cluster;
    const peer = nodes.find(({ name }) => name === nodeId);
    const wanted = member.quorum?.committedSteps;
    this.#later(member, () => {
      const isThere = peer?.isUp && world.nowMs >= peer.stoppedUntilMs && !world.isCut(this, peer);
      const held = isThere ? peer.tunedFor(member.editId) : undefined;
      if (held !== undefined && held.step === wanted) world.count("state from a peer");
      ready({ ...(held !== undefined && held.step === wanted ? held : own) });
    });
  }

  #beginStep(member: Member): void {
    const { quorum, editId, record, attempts } = member;
    const tuned = this.#tuned.get(editId);
    if (quorum === null || tuned === undefined || tuned.step >= record.spec.settings.steps) return;
    const { step, weights } = tuned;
    const { quorumId, members } = quorum;
    const rank = members.findIndex(({ nodeId }) => nodeId === this.name);
    this.#later(member, () => {
      if (member.quorum !== quorum || member.attempts !== attempts) return;
      const sum = sumOfRank(record.spec, { weights, attempts }, { rank, size: members.length });
      if (sum === null) this.#sayReduced(member, { quorumId, step, gradient: 0 }, false);
      if (sum === null) return;
      member.partial = { editId, quorumId, step, attempts, sum };
      this.#gather(member, pollsMax);
    });
  }

  /** Pulls the partials of all members; who does not answer for long is suspected. */
  #gather(member: Member, pollsLeft: number): void {
    const { quorum, partial } = member;
    if (quorum === null || partial === null || this.members.get(member.task.id) !== member) return;
    let gradient = 0;
    for (const { nodeId } of quorum.members) {
      const sum = this.#partialOf(nodeId, partial);
      if (sum === null) {
        if (pollsLeft > 0) {
          this.cluster.world.inProcess(this, pollMs, () => {
            if (member.partial === partial) this.#gather(member, pollsLeft - 1);
          });
          return;
        }
        this.cluster.world.count("member gave up waiting");
        const failure = { code: "UNAVAILABLE", reason: "peer-silent", message: `no ${nodeId}` };
        const { quorumId, step } = partial;
        this.#say(member, { kind: "step-failed", quorumId, step, suspectNodeId: nodeId, failure });
        return;
      }
      gradient = (gradient + sum) >>> 0;
    }
    if (this.isCorrupt && quorum.members.length > 1) {
      this.isCorrupt = false;
      this.cluster.world.count("corrupted shard");
      gradient = mixed(gradient, Number(this.name.slice(-1)));
    }
    const { quorumId, step, attempts } = partial;
    member.reduced = { quorumId, step, gradient };
    this.cluster.store.reduced.add(`${member.editId}/${quorumId}/${step}/${this.name}`);
    this.#sayReduced(member, member.reduced, isFiniteTry(member.record.spec, attempts));
  }

  #sayReduced(member: Member, told: NonNullable<Member["reduced"]>, isSound: boolean): void {
    const { gradient, ...place } = told;
    const { draws: drawCount } = member.record.spec.settings;
    const numbers = { lossSum: 1, drawCount, gradientNorm: 1, isFinite: isSound };
    const reduced = { ...numbers, gradientHash: String(gradient) };
    this.#say(member, { kind: "step-reduced", ...place, reduced });
  }

  #partialOf(nodeId: string, partial: DrawPartial): number | null {
    const { world, nodes } = this.cluster;
    if (nodeId === this.name) return partial.sum;
    const peer = nodes.find(({ name }) => name === nodeId);
    if (!peer?.isUp || world.nowMs < peer.stoppedUntilMs || world.isCut(this, peer)) return null;
    for (const theirs of peer.partials()) {
      const isSame =
        theirs.editId === partial.editId &&
        theirs.quorumId === partial.quorumId &&
        theirs.step === partial.step &&
        theirs.attempts === partial.attempts;
      if (isSame) return theirs.sum;
    }
    return null;
  }

  #onCommit(member: Member, { quorumId, step }: { quorumId: number; step: number }): void {
    const { reduced, editId } = member;
    const tuned = this.#tuned.get(editId);
    if (!reduced || !tuned || reduced.step !== step || reduced.quorumId !== quorumId) return;
    if (this.cluster.store.logOf(editId).commits.length <= step) {
      this.cluster.world.violate(`${this.name} applied step ${step}, which does not count`);
    }
    const weights = appliedWeights(tuned.weights, reduced.gradient);
    this.#tuned.set(editId, { step: step + 1, weights });
    const expected = this.cluster.store.expected.get(editId)?.weights[step + 1];
    if (weights !== expected)
      this.cluster.world.violate(`${this.name}: replica differs after ${step}`);
    Object.assign(member, { reduced: null, partial: null, attempts: member.attempts + 1 });
    this.#say(member, { kind: "step-applied", quorumId, step, weightsHash: String(weights) });
    this.#beginStep(member);
  }

  #onSnapshot(member: Member): void {
    const tuned = this.#tuned.get(member.editId);
    if (tuned === undefined) return;
    const { step: committedSteps, weights } = tuned;
    const artifactId = `${committedSteps}:${weights}`;
    this.#say(member, { kind: "snapshot-stored", committedSteps, artifactId });
  }

  #onFinish(member: Member): void {
    const tuned = this.#tuned.get(member.editId);
    if (tuned?.step !== member.record.spec.settings.steps) return;
    this.#finish(member, this.#valueOf(member, tuned.weights));
  }
}

type DistributedOmit<Type, Keys extends PropertyKey> = Type extends unknown
  ? Omit<Type, Keys>
  : never;
