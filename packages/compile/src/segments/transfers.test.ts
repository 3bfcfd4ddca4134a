import { consecutiveRanges, equalParts } from "@retake/model/frames";
import { describe, expect, it } from "vitest";
import { elementCount, type Graph, graphValue } from "../graph.js";
import { SmallGraph } from "../testing/small-graph.js";
import { type Runs, transfersOf } from "./transfers.js";

const channels = 2;
const divisions = [
  [1, 1],
  [2, 1],
  [3, 2, 2],
  [1, 1, 1],
  [1, 4, 2, 1],
].map((frameCounts) => ({ frameCounts }));

/** The number at a place of a clip: no two alike. */
const at = (frame: number, token: number, channel: number): number =>
  1 + 1000 * frame + 10 * token + channel;

/** Some tokens of some frames of the clip, frame by frame. */
function box(frames: { begin: number; end: number }, tokens: { begin: number; end: number }) {
  const numbers: number[] = [];
  for (let f = frames.begin; f < frames.end; f += 1) {
    for (let t = tokens.begin; t < tokens.end; t += 1) {
      for (let c = 0; c < channels; c += 1) numbers.push(at(f, t, c));
    }
  }
  return numbers;
}

const indices = ({ offset, count, length, stride }: Runs): number[] =>
  Array.from({ length: count }, (_, run) =>
    Array.from({ length }, (_, i) => offset + run * stride + i),
  ).flat();

interface Rank {
  readonly graph: Graph;
  readonly inputs: readonly (readonly number[])[];
}

/** One collective on a rank, with what it has and the shapes of what it gets. */
function rankOf(
  operation: string,
  terms: { readonly rank: number; readonly frameCounts: readonly number[] },
  values: { readonly inputs: readonly number[][]; readonly shapes: readonly (readonly number[])[] },
): Rank {
  const small = new SmallGraph();
  const ids = values.shapes
    .slice(0, values.inputs.length)
    .map((shape, i) => small.input(`x${i}`, shape));
  const outputs = values.shapes.slice(values.inputs.length);
  const attributes = { ...terms };
  small.node(operation, ids, { attributes, shape: outputs[0] ?? [], shapes: outputs });
  return { graph: small.graph({}), inputs: values.inputs };
}

/** What every rank's outputs hold after the exchange; NaN where nothing came. */
function exchanged(ranks: readonly Rank[]): number[][][] {
  return ranks.map((receiver, to) => {
    const [node] = receiver.graph.nodes;
    if (node === undefined) throw new Error("expected a collective");
    const outputs = node.outputs.map((id) =>
      new Array<number>(elementCount(graphValue(receiver.graph, id).shape)).fill(Number.NaN),
    );
    ranks.forEach((sender, from) => {
      const [theirs] = sender.graph.nodes;
      const sends = theirs === undefined ? [] : transfersOf(sender.graph, theirs, { from, to });
      const receives = transfersOf(receiver.graph, node, { from, to });
      expect(sends.map(({ from: runs }) => indices(runs).length)).toEqual(
        receives.map(({ to: runs }) => indices(runs).length),
      );
      receives.forEach((receive, i) => {
        const source = sends[i];
        const values = indices(source?.from ?? receive.from).map(
          (index) => sender.inputs[source?.input ?? 0]?.[index] ?? Number.NaN,
        );
        indices(receive.to).forEach((index, n) => {
          const output = outputs[receive.output];
          if (output !== undefined) output[index] = values[n] ?? Number.NaN;
        });
      });
    });
    return outputs;
  });
}

describe("transfersOf", () => {
  const tokens = 5;
  const all = { begin: 0, end: tokens };

  it.each(divisions)(
    "gathers the frames of all ranks in order: $frameCounts",
    ({ frameCounts }) => {
      const total = frameCounts.reduce((a, b) => a + b, 0);
      const ranks = consecutiveRanges(frameCounts).map((frames, rank) =>
        rankOf(
          "GatherFrames",
          { rank, frameCounts },
          {
            inputs: [box(frames, all)],
            shapes: [
              [frameCounts[rank] ?? 0, tokens, channels],
              [total, tokens, channels],
            ],
          },
        ),
      );
      const clip = box({ begin: 0, end: total }, all);
      for (const [whole] of exchanged(ranks)) expect(whole).toEqual(clip);
    },
  );

  it.each(divisions)(
    "gives each rank frame 0 and the one before its own: $frameCounts",
    ({ frameCounts }) => {
      const frame = (f: number, sign: number): number[] =>
        box({ begin: f, end: f + 1 }, all).map((n) => sign * n);
      const one = [1, tokens, channels];
      const ranks = consecutiveRanges(frameCounts).map((frames, rank) => {
        const keys = box(frames, all);
        const own = [frameCounts[rank] ?? 0, tokens, channels];
        const inputs = [keys, keys.map((n) => -n)];
        return rankOf(
          "FrameHalo",
          { rank, frameCounts },
          { inputs, shapes: [own, own, one, one, one, one] },
        );
      });
      const begins = consecutiveRanges(frameCounts).map(({ begin }) => begin);
      for (const [rank, outputs] of exchanged(ranks).entries()) {
        if (rank === 0) continue;
        const before = (begins[rank] ?? 1) - 1;
        expect(outputs).toEqual([frame(0, 1), frame(before, 1), frame(0, -1), frame(before, -1)]);
      }
    },
  );

  it.each(divisions)(
    "turns frames into sites of all frames, and back: $frameCounts",
    ({ frameCounts }) => {
      const total = frameCounts.reduce((a, b) => a + b, 0);
      const whole = { begin: 0, end: total };
      const siteCounts = equalParts(tokens, { parts: frameCounts.length });
      const sites = consecutiveRanges(siteCounts);
      const frames = consecutiveRanges(frameCounts);
      const shapesOf = (rank: number) => [
        [frameCounts[rank] ?? 0, tokens, channels],
        [total, siteCounts[rank] ?? 0, channels],
      ];
      const inFrames = frames.map((own) => box(own, all));
      const inSites = sites.map((own) => box(whole, own));
      const ranks = (operation: string, inputs: number[][], isBack: boolean) =>
        inputs.map((numbers, rank) => {
          const shapes = isBack ? shapesOf(rank).toReversed() : shapesOf(rank);
          return rankOf(operation, { rank, frameCounts }, { inputs: [numbers], shapes });
        });
      const there = exchanged(ranks("FramesToSites", inFrames, false));
      expect(there.map(([numbers]) => numbers)).toEqual(inSites);
      const back = exchanged(ranks("SitesToFrames", inSites, true));
      expect(back.map(([numbers]) => numbers)).toEqual(inFrames);
    },
  );
});
