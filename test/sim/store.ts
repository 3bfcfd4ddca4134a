import type { CommitLog, CommitRecord, EditRecord } from "@retake/coordinator/job";
import { isTerminal } from "@retake/coordinator/job";
import type { Expected } from "./toy.js";
import type { World } from "./world.js";

interface Stored {
  readonly record: EditRecord;
  readonly sequence: number;
}

interface Log {
  /** Of the last entry, fences counted. */
  sequence: number;
  readonly commits: CommitRecord[];
  fencedBelow: number;
}

/** What survives every coordinator: records and logs, written with compare-and-set. */
export class Store {
  readonly records = new Map<string, Stored>();
  readonly logs = new Map<string, Log>();
  readonly expected = new Map<string, Expected>();
  /** Who truly reduced what: `edit/quorum/step/node`. */
  readonly reduced = new Set<string>();
  isFull = false;
  isSlow = false;
  /** A planted bug switches it off. */
  comparesAndSets = true;
  #epoch = 0;
  #leaseEndsMs = 0;
  #leader = "";

  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  get delayMs(): number {
    const { chance } = this.world;
    return this.isSlow ? chance.whole({ min: 50, max: 900 }) : chance.whole({ min: 1, max: 4 });
  }

  /** The lease of the one active coordinator; a new holder gets the next epoch. */
  lead(id: string, leaseDurationMs: number): { epoch: number; isNew: boolean } | null {
    const { nowMs } = this.world;
    if (this.#leader !== id && nowMs < this.#leaseEndsMs) return null;
    const isNew = this.#leader !== id;
    if (isNew) this.#epoch += 1;
    this.#leader = id;
    this.#leaseEndsMs = nowMs + leaseDurationMs;
    return { epoch: this.#epoch, isNew };
  }

  /** @returns the new sequence, or null where another has written */
  put(record: EditRecord, lastSequence: number): number | null {
    const before = this.records.get(record.id);
    const current = before?.sequence ?? 0;
    if (this.comparesAndSets && current !== lastSequence) return null;
    if (before !== undefined) this.#judge(before.record, record);
    this.records.set(record.id, { record, sequence: current + 1 });
    return current + 1;
  }

  #judge(before: EditRecord, next: EditRecord): void {
    const { world } = this;
    if (next.epoch < before.epoch) world.violate(`a fenced coordinator wrote edit ${next.id}`);
    if (isTerminal(before) && next.attempt === before.attempt) {
      world.violate(`edit ${next.id} was ${before.state}, then ${next.state}`);
    }
    const went = before.artifacts.sampled.some(
      ({ done }, index) => (next.artifacts.sampled[index]?.done ?? 0) < done,
    );
    if (went || next.artifacts.inverted.done < before.artifacts.inverted.done) {
      world.violate(`edit ${next.id} lost a resume point`);
    }
    for (const { helps, id } of next.tasks) {
      if (helps === "" || next.tasks.some((task) => task.id === helps)) continue;
      world.violate(`task ${id} of ${next.id} helps ${helps}, which has ended`);
    }
    const busy = next.tasks.flatMap(({ nodeId }) => (nodeId === "" ? [] : [nodeId]));
    if (new Set(busy).size < busy.length) world.violate(`edit ${next.id} has a node twice`);
    if (next.reason === "") world.violate(`edit ${next.id} was changed without a reason`);
  }

  logOf(editId: string): Log {
    const log = this.logs.get(editId) ?? { sequence: 0, commits: [], fencedBelow: 0 };
    this.logs.set(editId, log);
    return log;
  }

  append(commit: CommitRecord, lastSequence: number): number | null {
    const { world } = this;
    const log = this.logOf(commit.editId);
    if (this.comparesAndSets && log.sequence !== lastSequence) return null;
    const { step, epoch, editId } = commit;
    if (epoch < log.fencedBelow)
      world.violate(`a fenced coordinator committed step ${step} of ${editId}`);
    if (step !== log.commits.length)
      world.violate(`step ${step} of ${editId} counted twice, or one was lost`);
    const gradient = this.expected.get(editId)?.gradients[step];
    if (commit.gradientHash !== String(gradient)) {
      world.violate(
        `step ${step} of ${editId}: expected gradient ${gradient}, got ${commit.gradientHash}`,
      );
    }
    for (const nodeId of commit.nodeIds) {
      if (this.reduced.has(`${editId}/${commit.quorumId}/${step}/${nodeId}`)) continue;
      world.violate(`step ${step} of ${editId} counts without ${nodeId}`);
    }
    log.commits.push(commit);
    log.sequence += 1;
    return log.sequence;
  }

  /** After this, no coordinator of a lower epoch can append. */
  fence(editId: string, epoch: number): CommitLog {
    const log = this.logOf(editId);
    log.sequence += 1;
    log.fencedBelow = epoch;
    const snapshot = this.records.get(editId)?.record.tuning.snapshot?.committedSteps ?? 0;
    const last = log.commits.at(-1);
    return {
      ...{ committedSteps: log.commits.length, attempts: last?.attempts ?? 0 },
      weightsHash: last?.weightsHash ?? "",
      commits: log.commits.filter(({ step }) => step >= snapshot),
    };
  }
}
