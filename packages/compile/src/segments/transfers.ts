import { consecutiveRanges, equalParts } from "@retake/model/frames";
import { elementCount, type Graph, type GraphNode, graphValue } from "../graph.js";

/** Where values lie in a tensor: `count` runs of `length` values, `stride` apart. */
export interface Runs {
  readonly offset: number;
  readonly count: number;
  readonly length: number;
  readonly stride: number;
}

/** Values that go from an input of one rank's collective to an output of another's. */
export interface Transfer {
  readonly input: number;
  readonly from: Runs;
  readonly output: number;
  readonly to: Runs;
}

interface Range {
  readonly begin: number;
  readonly end: number;
}

const sizeOf = ({ begin, end }: Range): number => end - begin;

/** Some tokens of some frames, in a tensor with `tokens` tokens a frame. */
function runsOf(
  box: { readonly frames: Range; readonly tokens: Range },
  { tokens, channels }: { readonly tokens: number; readonly channels: number },
): Runs {
  const offset = (box.frames.begin * tokens + box.tokens.begin) * channels;
  const [count, length] = [sizeOf(box.frames), sizeOf(box.tokens) * channels];
  const stride = tokens * channels;
  if (length === stride) return { offset, count: 1, length: count * length, stride: 0 };
  return { offset, count, length, stride };
}

/** What a pair of ranks moves in a collective. */
interface Pair {
  readonly from: number;
  readonly to: number;
}

/**
 * What goes from one rank to another in a collective, in the order in which it is sent. Every rank
 * derives the same from its own graph.
 */
export function transfersOf(graph: Graph, node: GraphNode, pair: Pair): readonly Transfer[] {
  const frameCounts = node.attributes.frameCounts as readonly number[];
  const rank = Number(node.attributes.rank);
  return node.inputs.flatMap((id, input) => {
    const { shape } = graphValue(graph, id);
    if (node.operation === "GatherFrames") {
      return gathered(input, { frameCounts, rank, pair, elements: elementCount(shape) });
    }
    if (node.operation === "FrameHalo") {
      return halo(input, { frameCounts, pair, row: elementCount(shape.slice(1)) });
    }
    const [first, second] = [shape, graphValue(graph, node.outputs[0] ?? -1).shape];
    const [frames, sites] = node.operation === "FramesToSites" ? [first, second] : [second, first];
    const [tokens = 1, channels = 1] = frames.slice(1);
    if (sites[2] !== channels) throw new Error(`${node.operation}: channels differ`);
    return resharded(node.operation, { frameCounts, pair, tokens, channels });
  });
}

function gathered(
  input: number,
  terms: {
    readonly frameCounts: readonly number[];
    readonly rank: number;
    readonly pair: Pair;
    readonly elements: number;
  },
): Transfer[] {
  const { frameCounts, rank, pair, elements } = terms;
  const row = elements / (frameCounts[rank] ?? 1);
  const frames = consecutiveRanges(frameCounts)[pair.from] ?? { begin: 0, end: 0 };
  const length = sizeOf(frames) * row;
  const runs = { count: 1, length, stride: 0 };
  const to = { ...runs, offset: frames.begin * row };
  return [{ input, from: { ...runs, offset: 0 }, output: input, to }];
}

/** Outputs are, for each input, the clip's first frame and the one before the rank's own. */
function halo(
  input: number,
  terms: { readonly frameCounts: readonly number[]; readonly pair: Pair; readonly row: number },
): Transfer[] {
  const { frameCounts, pair, row } = terms;
  const frame = (at: number, output: number): Transfer => {
    const runs = { count: 1, length: row, stride: 0 };
    return { input, from: { ...runs, offset: at * row }, output, to: { ...runs, offset: 0 } };
  };
  if (pair.to === 0) return [];
  const last = (frameCounts[pair.from] ?? 1) - 1;
  return [
    ...(pair.from === 0 ? [frame(0, 2 * input)] : []),
    ...(pair.from === pair.to - 1 ? [frame(last, 2 * input + 1)] : []),
  ];
}

/** Frames with all tokens on one side, all frames with some tokens on the other. */
function resharded(
  operation: string,
  terms: {
    readonly frameCounts: readonly number[];
    readonly pair: Pair;
    readonly tokens: number;
    readonly channels: number;
  },
): Transfer[] {
  const { frameCounts, pair, tokens, channels } = terms;
  const tokenCounts = equalParts(tokens, { parts: frameCounts.length });
  const toSites = operation === "FramesToSites";
  const [framesRank, sitesRank] = toSites ? [pair.from, pair.to] : [pair.to, pair.from];
  const none = { begin: 0, end: 0 };
  const frames = consecutiveRanges(frameCounts)[framesRank] ?? none;
  const sites = consecutiveRanges(tokenCounts)[sitesRank] ?? none;
  const inFrames = runsOf(
    { frames: { begin: 0, end: sizeOf(frames) }, tokens: sites },
    { tokens, channels },
  );
  const inSites = runsOf(
    { frames, tokens: { begin: 0, end: sizeOf(sites) } },
    { tokens: sizeOf(sites), channels },
  );
  const [from, to] = toSites ? [inFrames, inSites] : [inSites, inFrames];
  return [{ input: 0, from, output: 0, to }];
}
