import {
  createStepPlan,
  drawsOfRank,
  exchangeLimits,
  type StepPlan,
} from "@retake/gpu-node/exchange";
import { Computer, Host, type Link, Network } from "./network.js";
import { countdown, VirtualClock } from "./virtual-clock.js";

export interface DrawsTerms {
  readonly link: Link;
  readonly memberCount: number;
  readonly drawCount: number;
  /** Of one draw on one node. */
  readonly drawMs: number;
  /** Of the flat vector of gradients, in values. */
  readonly vectorLength: number;
}

type ShardPlan = StepPlan["shards"][number];
type Piece = ShardPlan["pieces"][number];

/** Of a step, or a shard, until it is there: who waits for it. */
class Awaited {
  #isThere = false;
  #waiting: (() => void)[] = [];

  /** Calls back at once, or when it is there. */
  whenThere(go: () => void): void {
    if (this.#isThere) go();
    else this.#waiting.push(go);
  }

  come(): void {
    this.#isThere = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }
}

interface Member {
  readonly nodeId: string;
  readonly host: Computer;
  /** Its own gradients. */
  readonly partials: Awaited;
  /** Those of the shards that it reduces. */
  readonly reduced: ReadonlyMap<number, Awaited>;
}

/** How many pieces are asked of so many peers at a time, as the exchange has it. */
function windowOf(peerCount: number): number {
  const { windowPerPeerMax, bytesInFlightMax, pieceBytesMax } = exchangeLimits;
  const fitting = Math.floor(bytesInFlightMax / (Math.max(1, peerCount) * pieceBytesMax));
  return Math.max(1, Math.min(windowPerPeerMax, fitting));
}

/**
 * One tuning step of a quorum: everybody computes a block of draws, pulls the partial sums of the
 * shards that are its own, and what the others have reduced. Everything goes through one server,
 * piece by piece, no more at a time than the windows of the exchange allow.
 */
class DrawsStep {
  readonly #clock = new VirtualClock();
  readonly #network: Network;
  readonly #server = new Host();
  readonly #terms: DrawsTerms;
  readonly #plan: StepPlan;
  readonly #members: ReadonlyMap<string, Member>;

  constructor(terms: DrawsTerms) {
    const { link, memberCount, drawCount, vectorLength } = terms;
    this.#terms = terms;
    this.#network = new Network(this.#clock, link);
    const nodeIds = Array.from({ length: memberCount }, (_, at) => `n${at}`);
    const { pieceBytesMax } = exchangeLimits;
    this.#plan = createStepPlan(nodeIds, { vectorLength, drawCount, pieceBytesMax });
    this.#members = new Map(
      nodeIds.map((nodeId) => {
        const owned = this.#plan.shards.filter(({ ownerId }) => ownerId === nodeId);
        const reduced = new Map(owned.map(({ shardIndex }) => [shardIndex, new Awaited()]));
        return [nodeId, { nodeId, host: new Computer(), partials: new Awaited(), reduced }];
      }),
    );
  }

  stepMs(): number {
    const { memberCount: worldSize, drawCount, drawMs, link } = this.#terms;
    [...this.#members.values()].forEach((member, rank) => {
      const { begin, end } = drawsOfRank({ drawCount, worldSize }, rank);
      member.host.compute(this.#clock, (end - begin) * drawMs, () => {
        member.partials.come();
        this.#sumOwned(member);
        this.#gather(member);
      });
    });
    this.#clock.run();
    // Everybody tells the coordinator, which tells everybody that the step counts.
    return this.#clock.nowMs + link.roundTripMs;
  }

  #sumOwned(member: Member): void {
    const others = this.#plan.partials.filter(({ nodeId }) => nodeId !== member.nodeId);
    const owned = this.#plan.shards.filter(({ ownerId }) => ownerId === member.nodeId);
    const left = new Map(
      owned.map(({ shardIndex, pieces }) => {
        const whole = (): void => member.reduced.get(shardIndex)?.come();
        return [shardIndex, countdown(pieces.length, whole)];
      }),
    );
    const pieces = owned.flatMap((shard) => shard.pieces).values();
    const next = (): void => {
      const { value: piece } = pieces.next();
      if (piece === undefined) return;
      const summed = countdown(others.length, () => {
        left.get(piece.shardIndex)?.();
        next();
      });
      for (const { nodeId } of others) {
        const peer = this.#member(nodeId);
        this.#pull(member, { peer, piece, awaited: peer.partials }, summed);
      }
    };
    for (let loop = 0; loop < windowOf(others.length); loop += 1) next();
  }

  #gather(member: Member): void {
    const owners = new Set(this.#plan.shards.map(({ ownerId }) => ownerId));
    owners.delete(member.nodeId);
    for (const ownerId of owners) {
      const peer = this.#member(ownerId);
      const owned = this.#plan.shards.filter((shard) => shard.ownerId === ownerId);
      const pieces = owned.flatMap((shard) => shard.pieces).values();
      const next = (): void => {
        const { value: piece } = pieces.next();
        if (piece === undefined) return;
        const awaited = peer.reduced.get(piece.shardIndex);
        if (awaited !== undefined) this.#pull(member, { peer, piece, awaited }, next);
      };
      for (let loop = 0; loop < windowOf(owners.size); loop += 1) next();
    }
  }

  /** A request that a peer holds until it has what is asked for; both ways by the server. */
  #pull(
    { host }: Member,
    { peer, piece, awaited }: { peer: Member; piece: Piece; awaited: Awaited },
    done: () => void,
  ): void {
    const bytes = piece.lengthBytes;
    this.#clock.after(this.#terms.link.roundTripMs, () =>
      awaited.whenThere(() =>
        this.#network.send(peer.host, { to: this.#server, bytes }, () =>
          this.#network.send(this.#server, { to: host, bytes }, done),
        ),
      ),
    );
  }

  #member(nodeId: string): Member {
    const member = this.#members.get(nodeId);
    if (member === undefined) throw new Error(`draws: ${nodeId} is no member`);
    return member;
  }
}

/** Milliseconds of a tuning step whose draws some nodes share; one node exchanges nothing. */
export function drawsStepMs(terms: DrawsTerms): number {
  const { memberCount, drawCount, drawMs, link } = terms;
  if (memberCount === 1) return drawCount * drawMs + link.roundTripMs;
  return new DrawsStep(terms).stepMs();
}
