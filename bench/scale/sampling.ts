import { Computer, Host, type Link, Network } from "./network.js";
import { countdown, VirtualClock } from "./virtual-clock.js";

/**
 * Some prompts, so many of them at once; the next stage begins when all of them are done.
 *
 * Where nodes are for themselves, each takes the next prompt, and who has none computes a branch of
 * every iteration for another. Else they form groups, each of which shares the frames of one prompt
 * after the other.
 */
export interface SamplingStage {
  readonly prompts: number;
  readonly atOnce: number;
  /** 1: for themselves. */
  readonly nodesEach: number;
}

export interface SamplingTerms {
  readonly link: Link;
  readonly nodeCount: number;
  readonly stages: readonly SamplingStage[];
  readonly iterations: number;
  /** Of an iteration that are passes of their own. */
  readonly branches: number;
  /** Of a pass that so many nodes share. */
  readonly passMsOf: (nodeCount: number) => number;
  readonly latentBytes: number;
  /** What a node pulls from the coordinator before its first pass: the tuned weights. */
  readonly startBytes: number;
  /** Whether the first node has pulled that before. */
  readonly isFirstWarm: boolean;
  /** Until nodes that share frames have made the programs of their parts. */
  readonly loadMs: number;
}

/** A prompt that is being sampled, and who helps with it. */
interface Run {
  readonly leader: Computer;
  helper: Computer | undefined;
  readonly passMs: number;
  done: number;
  readonly ended: (run: Run) => void;
}

class Sampling {
  readonly #clock = new VirtualClock();
  readonly #network: Network;
  readonly #coordinator = new Host();
  readonly #terms: SamplingTerms;
  readonly #nodes: readonly Computer[];
  /** Those that have asked for what they begin with. */
  readonly #begun = new Set<Computer>();
  readonly #runs = new Set<Run>();
  #stage: SamplingStage | undefined;
  #promptsLeft = 0;
  #promptEnds: () => void = () => {};

  constructor(terms: SamplingTerms) {
    this.#terms = terms;
    this.#network = new Network(this.#clock, terms.link);
    this.#nodes = Array.from({ length: terms.nodeCount }, () => new Computer());
  }

  totalMs(): number {
    this.#begin(this.#terms.stages);
    this.#clock.run();
    return this.#clock.nowMs;
  }

  #begin([stage, ...later]: readonly SamplingStage[]): void {
    this.#stage = stage;
    if (stage === undefined) return;
    this.#promptsLeft = stage.prompts;
    this.#promptEnds = countdown(stage.prompts, () => this.#begin(later));
    const { atOnce, nodesEach } = stage;
    if (nodesEach === 1) {
      // Who has a prompt begins before who helps.
      for (const node of this.#nodes) this.#pull(node, () => this.#free(node, stage));
      return;
    }
    for (let at = 0; at < atOnce; at += 1) {
      const group = this.#nodes.filter((_, index) => index % atOnce === at).slice(0, nodesEach);
      const ready = countdown(group.length, () => this.#nextOf(group));
      for (const node of group) {
        this.#pull(node, () => node.compute(this.#clock, this.#terms.loadMs, ready));
      }
    }
  }

  /** What a node needs before its first pass. */
  #pull(node: Computer, done: () => void): void {
    if (this.#begun.has(node)) {
      this.#clock.after(0, done);
      return;
    }
    this.#begun.add(node);
    const { startBytes, latentBytes, isFirstWarm, link } = this.#terms;
    const bytes = latentBytes + (node === this.#nodes[0] && isFirstWarm ? 0 : startBytes);
    this.#clock.after(link.roundTripMs, () =>
      this.#network.send(this.#coordinator, { to: node, bytes }, done),
    );
  }

  /** A node takes the next prompt, or helps one that nobody helps. */
  #free(node: Computer, stage: SamplingStage): void {
    // What it pulled came too late.
    if (this.#stage !== stage) return;
    if (this.#promptsLeft > 0 && this.#runs.size < stage.atOnce) {
      this.#run(node, this.#terms.passMsOf(1), ({ helper }) => {
        this.#free(node, stage);
        if (helper !== undefined) this.#free(helper, stage);
      });
      return;
    }
    if (this.#terms.branches !== 2) return;
    const [run] = [...this.#runs]
      .filter(({ helper }) => helper === undefined)
      .sort((a, b) => a.done - b.done);
    if (run !== undefined) run.helper = node;
  }

  /** A group, all of it ready, takes the next prompt. */
  #nextOf(group: readonly Computer[]): void {
    const [leader] = group;
    if (this.#promptsLeft === 0 || leader === undefined) return;
    this.#run(leader, this.#terms.passMsOf(group.length), () => this.#nextOf(group));
  }

  #run(leader: Computer, passMs: number, ended: Run["ended"]): void {
    this.#promptsLeft -= 1;
    const run: Run = { leader, helper: undefined, passMs, done: 0, ended };
    this.#runs.add(run);
    this.#iterate(run);
  }

  #iterate(run: Run): void {
    const { branches, latentBytes: bytes } = this.#terms;
    const { leader, helper, passMs } = run;
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
    const stage = this.#stage;
    this.#promptEnds();
    if (this.#stage === stage) run.ended(run);
  }
}

/** Milliseconds of an inversion, or of the sampling of some prompts. */
export function samplingMs(terms: SamplingTerms): number {
  return new Sampling(terms).totalMs();
}
