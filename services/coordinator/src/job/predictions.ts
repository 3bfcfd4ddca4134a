export interface PlanNode {
  readonly nodeId: string;
  /** Of one unit of the work on this node; 0 on all where nothing was measured. */
  readonly unitMs: number;
  /** Units that take no longer together than one. */
  readonly unitsAtOnce: number;
  /** 0 where not measured. */
  readonly bytesPerSecond: number;
  readonly roundTripMs: number;
}

/** What a phase has left to do; the same for every layout. */
export interface Work {
  /** Equal pieces that do not know of each other; 1 where there is one. */
  readonly prompts: number;
  /** Tuning steps, or denoising iterations; 1 for the VAE. */
  readonly iterations: number;
  /** Of an iteration: guidance branches, draws of a step, frames of the VAE. */
  readonly units: number;
  /** What crosses for a unit that another node computes, there and back. */
  readonly unitBytes: number;
  /** What of that comes back, to the one card of the coordinator, while units are computed. */
  readonly returnBytes: number;
  /** Of the flat vector of gradients; 0 where nothing is tuned. */
  readonly updateBytes: number;
  /** What every node but the first has to pull from the coordinator before it begins. */
  readonly startBytes: number;
  /** Of a split of the clip's frames; null where a phase has none. */
  readonly frameSplit: FrameSplit | null;
  /** Whether prompts may wait while nodes share the frames of others. */
  readonly mayHoldBack: boolean;
}

export interface FrameSplit {
  readonly frames: number;
  /** Until nodes have made the programs of their parts. */
  readonly readyMs: number;
  /** What the first node gives every other one before a pass. */
  readonly passBytes: number;
  /** What a node needs for a pass of frames before its own: half of it from the first node. */
  readonly haloBytes: number;
  /** What crosses for a pass there and back, if no frame stays where it is. */
  readonly siteBytes: number;
  /** How often a node waits for others in a pass. */
  readonly passWaits: number;
}

/** Of a link that nothing is known of: 100 Mbit/s. */
const assumedBytesPerSecond = 12_500_000;

const slowestOf = (nodes: readonly PlanNode[]): number =>
  Math.max(...nodes.map(({ unitMs }) => unitMs));
export const waitMs = (nodes: readonly PlanNode[]): number =>
  Math.max(...nodes.map(({ roundTripMs }) => roundTripMs));
const rateOf = ({ bytesPerSecond }: PlanNode): number => bytesPerSecond || assumedBytesPerSecond;
/** Over the slowest link of all. */
export const transferMs = (bytes: number, nodes: readonly PlanNode[]): number =>
  (1000 * bytes) / Math.min(...nodes.map(rateOf));

/** Of what one host sends to, or gets from, all: its link is as good as the best that is known. */
export const servedMs = (bytes: number, nodes: readonly PlanNode[]): number =>
  (1000 * bytes) / Math.max(...nodes.map(rateOf));

/** Until all nodes have pulled what they begin with, from one place and at the same time. */
export const startMs = ({ startBytes }: Work, nodes: readonly PlanNode[]): number =>
  servedMs((nodes.length - 1) * startBytes, nodes);

/** Milliseconds of whole units, each node as many as suit its speed. */
export function unitsMs(
  { units, unitBytes, updateBytes }: Work,
  nodes: readonly PlanNode[],
): number {
  const isOne = nodes.length === 1;
  const crossing = isOne || updateBytes > 0 ? 0 : unitBytes;
  const ends = unitShares(units, nodes).map(
    (count, index) => roundsMs(count, nodes[index]) + transferMs(count * crossing, nodes),
  );
  return Math.max(...ends) + (isOne ? 0 : waitMs(nodes));
}

const roundsMs = (units: number, node: PlanNode | undefined): number =>
  node === undefined ? 0 : Math.ceil(units / node.unitsAtOnce) * node.unitMs;

/** How many units each node takes, so that all end at about the same time. */
export function unitShares(units: number, nodes: readonly Pick<PlanNode, "unitMs">[]): number[] {
  const speeds = nodes.map(({ unitMs }) => (unitMs > 0 ? 1 / unitMs : 1));
  const whole = speeds.reduce((sum, speed) => sum + speed, 0);
  let begin = 0;
  let speedSum = 0;
  return speeds.map((speed) => {
    speedSum += speed;
    const end = Math.round((units * speedSum) / whole);
    const count = end - begin;
    begin = end;
    return count;
  });
}

/** Milliseconds of an iteration whose branches two nodes compute. */
export const branchMs = ({ unitBytes }: Work, nodes: readonly PlanNode[]): number =>
  slowestOf(nodes) + transferMs(unitBytes, nodes) + waitMs(nodes);

/** Whether nodes are as many as can share a clip's frames. */
export const canShare = ({ frameSplit }: Work, { length }: readonly PlanNode[]): boolean =>
  frameSplit !== null && length > 1 && length <= frameSplit.frames;

/**
 * Milliseconds of all passes, their frames in equal parts; of sites, a node gets the others'
 * frames, and gives back as much. The first gives its own first frame to all.
 */
export function framesMs(work: Work, nodes: readonly PlanNode[]): number {
  const { frameSplit, prompts, iterations, units } = work;
  if (frameSplit === null) return Number.POSITIVE_INFINITY;
  const { frames, readyMs, passBytes, haloBytes, siteBytes, passWaits } = frameSplit;
  const size = nodes.length;
  const share = Math.ceil(frames / size) / frames;
  const givenBytes = (size - 1) * (passBytes + haloBytes / 2);
  const sharedBytes = (siteBytes * share * (size - 1)) / size;
  const crossing = sharedBytes + Math.max(haloBytes, givenBytes);
  const waitsMs = passWaits * waitMs(nodes);
  const passMs = slowestOf(nodes) * share + transferMs(crossing, nodes) + waitsMs;
  return readyMs + prompts * iterations * units * passMs;
}
