import { Computer, Host, type Link, Network } from "./network.js";
import { countdown, VirtualClock } from "./virtual-clock.js";

export interface SamplingTerms {
  readonly link: Link;
  readonly nodeCount: number;
  readonly prompts: number;
  readonly iterations: number;
  /** Of an iteration that are passes of their own. */
  readonly branches: number;
  readonly passMs: number;
  readonly latentBytes: number;
  /** What a node pulls from the coordinator before its first pass: the tuned weights. */
  readonly startBytes: number;
  /** Whether the first node has pulled that before. */
  readonly isFirstWarm: boolean;
  /** Until nodes that share frames have made the programs of their parts. */
  readonly loadMs: number;
  /** What nodes do that no prompt is left for. */
  readonly help: Help;
}

/**
 * A branch of every iteration; or frames: the nodes form so many groups, each of which samples one
 * prompt after the other by passes that take so long, by the size of the group.
 */
export type Help =
  | { readonly kind: "branches" }
  | {
      readonly kind: "frames";
      readonly groups: number;
      readonly passMsOf: (rankCount: number) => number;
    };

/** A prompt that is being sampled, and who helps with it. */
interface Run {
  readonly leader: Computer;
  helper: Computer | undefined;
  done: number;
}

class Sampling {
  readonly #clock = new VirtualClock();
  readonly #network: Network;
  readonly #coordinator = new Host();
  readonly #terms: SamplingTerms;
  readonly #runs = new Set<Run>();
  #promptsLeft: number;

  constructor(terms: SamplingTerms) {
    this.#terms = terms;
    this.#network = new Network(this.#clock, terms.link);
    this.#promptsLeft = terms.prompts;
  }

  totalMs(): number {
    const { nodeCount, help } = this.#terms;
    const nodes = Array.from({ length: nodeCount }, () => new Computer());
    if (help.kind === "frames") {
      for (let at = 0; at < help.groups; at += 1) {
        const group = nodes.filter((_, index) => index % help.groups === at);
        this.#groupBegins(group, { at, passMs: help.passMsOf(group.length) });
      }
    } else {
      // Who has a prompt begins before who helps.
      for (const [at, node] of nodes.entries()) this.#pull(node, at, () => this.#free(node));
    }
    this.#clock.run();
    return this.#clock.nowMs;
  }

  #pull(node: Host, at: number, done: () => void): void {
    const { startBytes, latentBytes, isFirstWarm, link } = this.#terms;
    const bytes = latentBytes + (at === 0 && isFirstWarm ? 0 : startBytes);
    this.#clock.after(link.roundTripMs, () =>
      this.#network.send(this.#coordinator, { to: node, bytes }, done),
    );
  }

  /** A node takes the next prompt, or helps one that nobody helps. */
  #free(node: Computer): void {
    const { help, branches } = this.#terms;
    if (this.#promptsLeft > 0) {
      this.#promptsLeft -= 1;
      const run = { leader: node, helper: undefined, done: 0 };
      this.#runs.add(run);
      this.#iterate(run);
      return;
    }
    if (help.kind !== "branches" || branches !== 2) return;
    const [run] = [...this.#runs]
      .filter(({ helper }) => helper === undefined)
      .sort((a, b) => a.done - b.done);
    if (run !== undefined) run.helper = node;
  }

  #iterate(run: Run): void {
    const { branches, passMs, latentBytes: bytes } = this.#terms;
    const { leader, helper } = run;
    const ended = (): void => this.#iterated(run);
    if (helper === undefined) {
      leader.compute(this.#clock, branches * passMs, ended);
      return;
    }
    const both = countdown(2, ended);
    leader.compute(this.#clock, passMs, both);
    this.#network.send(leader, { to: helper, bytes }, () =>
      helper.compute(this.#clock, passMs, () =>
        this.#network.send(helper, { to: leader, bytes }, both),
      ),
    );
  }

  /** The latents are kept, so that another node could go on. */
  #iterated(run: Run): void {
    const { iterations, latentBytes: bytes } = this.#terms;
    run.done += 1;
    this.#network.send(run.leader, { to: this.#coordinator, bytes }, () => {});
    if (run.done < iterations) {
      this.#iterate(run);
      return;
    }
    this.#runs.delete(run);
    this.#free(run.leader);
    if (run.helper !== undefined) this.#free(run.helper);
  }

  /** The first of a group goes on when all are ready; then all share every pass. */
  #groupBegins(group: readonly Computer[], { at, passMs }: { at: number; passMs: number }): void {
    const { help, prompts, iterations, branches, loadMs, latentBytes: bytes } = this.#terms;
    const [leader] = group;
    const groups = help.kind === "frames" ? help.groups : 1;
    const mine = Math.floor(prompts / groups) + (at < prompts % groups ? 1 : 0);
    let left = mine * iterations;
    const next = (): void => {
      if (left === 0 || leader === undefined) return;
      left -= 1;
      leader.compute(this.#clock, branches * passMs, () => {
        this.#network.send(leader, { to: this.#coordinator, bytes }, () => {});
        next();
      });
    };
    const ready = countdown(group.length, next);
    const load = group.length > 1 ? loadMs : 0;
    for (const [rank, node] of group.entries()) {
      this.#pull(node, at + rank, () => node.compute(this.#clock, load, ready));
    }
  }
}

/** Milliseconds of an inversion, or of the sampling of some prompts. */
export function samplingMs(terms: SamplingTerms): number {
  return new Sampling(terms).totalMs();
}
