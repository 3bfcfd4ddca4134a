import type { FaultPoint } from "@retake/errors";
import type { Holding } from "../chaos/held-process.js";

/** Where a process tells what it has computed, or is held. */
export const ledgerPoints: readonly FaultPoint[] = ["after-publish", "after-commit", "in-sampling"];

/** When an edit is held: with so many steps committed, or iterations sampled. */
export type Moment =
  | { readonly kind: "tuning"; readonly committedSteps: number }
  | { readonly kind: "sampling"; readonly iterations: number };

/**
 * What the processes of a cluster compute for one edit at a time, in the order in which it happens:
 * each process waits at its point until it has been written down here.
 */
export class Ledger {
  /** Steps that were committed, in order. */
  readonly committed: number[] = [];
  /** What was computed though it had been committed or stored before: it was lost. */
  readonly again: string[] = [];
  /** Iterations: those of the inversion, then those of the sampling. */
  readonly iterations: { readonly nodeId: string; readonly done: number }[] = [];
  /** Steps by the nodes that took part. */
  readonly members = new Map<number, Set<string>>();
  #awaited: { readonly moment: Moment; readonly onHeld: (holding: Holding) => void } | undefined;
  #total = 0;

  /** A new edit begins. */
  begin(): void {
    for (const list of [this.committed, this.again, this.iterations]) list.length = 0;
    this.members.clear();
    this.#total = 0;
  }

  /** Resolves with the process that is held at that moment. */
  until(moment: Moment): Promise<Holding> {
    return new Promise((resolve) => {
      this.#awaited = { moment, onHeld: resolve };
    });
  }

  onHeld(holding: Holding): void {
    const { point, about } = holding;
    const nodeId = String(about["nodeId"]);
    if (point === "after-publish") this.#onStep(Number(about["step"]), nodeId);
    if (point === "after-commit") this.committed.push(Number(about["step"]));
    if (point === "in-sampling") {
      this.#onIteration({ nodeId, done: Number(about["done"]) }, Number(about["total"]));
    }
    if (this.#awaited === undefined || !this.#isMoment(this.#awaited.moment, point)) {
      holding.answer();
      return;
    }
    this.#awaited.onHeld(holding);
    this.#awaited = undefined;
  }

  #onStep(step: number, nodeId: string): void {
    if (this.committed.includes(step)) this.again.push(`step ${step} by ${nodeId}`);
    this.members.set(step, (this.members.get(step) ?? new Set()).add(nodeId));
  }

  #onIteration(iteration: { readonly nodeId: string; readonly done: number }, total: number): void {
    this.#total = total;
    // Each is one further than the one before; after the last of the inversion, the first again.
    const expected = (this.iterations.length % total) + 1;
    if (iteration.done !== expected) {
      this.again.push(`iteration ${iteration.done} by ${iteration.nodeId}, not ${expected}`);
    }
    this.iterations.push(iteration);
  }

  #isMoment(moment: Moment, point: FaultPoint): boolean {
    if (moment.kind === "tuning") {
      return point === "after-commit" && this.committed.length === moment.committedSteps;
    }
    const sampled = this.iterations.length - this.#total;
    return point === "in-sampling" && sampled === moment.iterations;
  }
}
