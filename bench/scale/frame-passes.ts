import { Computer, type Link, Network } from "./network.js";
import { VirtualClock } from "./virtual-clock.js";

/** What one rank does in a pass: a piece of work, an exchange with the others, the next piece. */
export interface RankProgram {
  /** Floating-point operations of each piece. */
  readonly flops: readonly number[];
  /** After each piece, bytes to each rank; as many as pieces. */
  readonly sends: readonly (readonly number[])[];
}

/** Of passes: what the first differs in is gone by then. */
const passCount = 2;

interface Waiting {
  left: number;
  go: (() => void) | undefined;
}

/** Ranks that share the frames of a clip, pass after pass. */
class FramesGroup {
  readonly #clock = new VirtualClock();
  readonly #network: Network;
  readonly #hosts: readonly Computer[];
  readonly #programs: readonly RankProgram[];
  readonly #flopsPerMs: number;
  readonly #latentBytes: number;
  /** By pass, piece and rank. */
  readonly #waiting = new Map<string, Waiting>();

  constructor(
    programs: readonly RankProgram[],
    terms: { readonly link: Link; readonly flopsPerMs: number; readonly latentBytes: number },
  ) {
    this.#programs = programs;
    this.#hosts = programs.map(() => new Computer());
    this.#network = new Network(this.#clock, terms.link);
    this.#flopsPerMs = terms.flopsPerMs;
    this.#latentBytes = terms.latentBytes;
  }

  passMs(): number {
    this.#beginPass(0);
    this.#clock.run();
    return this.#clock.nowMs / passCount;
  }

  /** The first rank has the latents, and sends them to the others. */
  #beginPass(pass: number): void {
    if (pass === passCount) return;
    const [leader] = this.#hosts;
    if (leader === undefined) throw new Error("frames: expected ranks, got none");
    this.#hosts.forEach((host, rank) => {
      const arrival = { to: host, bytes: rank === 0 ? 0 : this.#latentBytes };
      this.#network.send(leader, arrival, () => this.#piece({ pass, rank, piece: 0 }));
    });
  }

  #piece(at: { readonly pass: number; readonly rank: number; readonly piece: number }): void {
    const { pass, rank, piece } = at;
    const program = this.#programs[rank];
    const host = this.#hosts[rank];
    if (host === undefined || program === undefined) throw new Error(`frames: no rank ${rank}`);
    const flops = program.flops[piece];
    if (flops === undefined) {
      if (rank === 0) this.#beginPass(pass + 1);
      return;
    }
    host.compute(this.#clock, flops / this.#flopsPerMs, () => {
      program.sends[piece]?.forEach((bytes, to) => {
        const target = this.#hosts[to];
        if (bytes === 0 || target === undefined) return;
        this.#network.send(host, { to: target, bytes }, () => this.#arrived({ ...at, rank: to }));
      });
      const waiting = this.#waitingAt(at);
      const go = (): void => this.#piece({ pass, rank, piece: piece + 1 });
      if (waiting.left === 0) go();
      else waiting.go = go;
    });
  }

  #arrived(at: { readonly pass: number; readonly rank: number; readonly piece: number }): void {
    const waiting = this.#waitingAt(at);
    waiting.left -= 1;
    if (waiting.left === 0) waiting.go?.();
  }

  #waitingAt({ pass, rank, piece }: { pass: number; rank: number; piece: number }): Waiting {
    const key = `${pass} ${piece} ${rank}`;
    const known = this.#waiting.get(key);
    if (known !== undefined) return known;
    const left = this.#programs.filter(({ sends }) => (sends[piece]?.[rank] ?? 0) > 0).length;
    const waiting = { left, go: undefined };
    this.#waiting.set(key, waiting);
    return waiting;
  }
}

/** Milliseconds of a pass whose frames some ranks share. */
export function sharedPassMs(
  programs: readonly RankProgram[],
  terms: { readonly link: Link; readonly flopsPerMs: number; readonly latentBytes: number },
): number {
  return new FramesGroup(programs, terms).passMs();
}
