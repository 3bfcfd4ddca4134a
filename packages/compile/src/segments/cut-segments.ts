import {
  elementCount,
  type Graph,
  type GraphNode,
  type GraphValue,
  graphValue,
  isCollective,
  type ValueId,
} from "../graph.js";
import { type Runs, type Transfer, transfersOf } from "./transfers.js";

/** Part of a value that crosses between segments. */
export interface NamedRuns extends Runs {
  readonly name: string;
}

/** What a rank does between two segments: in the order in which the values stand in a message. */
export interface Exchange {
  /** By rank; nothing for this one. */
  readonly sends: readonly (readonly NamedRuns[])[];
  /** By rank, as `sends` of that rank has it. */
  readonly receives: readonly (readonly NamedRuns[])[];
  /** What stays on this rank. */
  readonly copies: readonly { readonly from: NamedRuns; readonly to: NamedRuns }[];
  /** Values that come out of it, with their number of elements. */
  readonly outputs: readonly { readonly name: string; readonly elements: number }[];
}

/** A piece of a program between two collectives: a graph of its own. */
export interface Segment {
  /** Its inputs are the program's, by name, and values of segments before. */
  readonly graph: Graph;
  /** What follows it; undefined behind the last. */
  readonly exchange: Exchange | undefined;
  /** Values that nobody needs once the exchange is over. */
  readonly freed: readonly string[];
}

/** One rank's part of a program that several run. */
export interface SegmentedProgram {
  readonly segments: readonly Segment[];
  /** Which of the values that cross between segments are the program's results. */
  readonly results: readonly { readonly name: string; readonly value: string }[];
}

/** Name of a value that crosses between segments; no input of a program is called so. */
const crossingName = (id: ValueId): string => `value/${id}`;

/** The value whose bytes a reshape shows: that is what crosses. */
function ownerOf(graph: Graph, id: ValueId): ValueId {
  const { origin } = graphValue(graph, id);
  if (origin.kind !== "node" || origin.node.operation !== "Reshape") return id;
  return ownerOf(graph, origin.node.inputs[0] ?? -1);
}

/** The nodes between collectives, in order, without reshapes; and the collectives. */
function pieces(graph: Graph): {
  readonly nodes: readonly GraphNode[][];
  readonly collectives: readonly GraphNode[];
} {
  const nodes: GraphNode[][] = [[]];
  const collectives: GraphNode[] = [];
  for (const node of graph.nodes) {
    if (isCollective(node)) {
      collectives.push(node);
      nodes.push([]);
    } else if (node.operation !== "Reshape") nodes.at(-1)?.push(node);
  }
  return { nodes, collectives };
}

/** Who computes what, who reads it, and so what crosses. */
class Crossings {
  readonly graph: Graph;
  /** The segment that computes a value; that before the collective which gives it. */
  readonly #madeIn = new Map<ValueId, number>();
  /** Values that leave the segment they are computed in, and the last segment that needs them. */
  readonly #lastUse = new Map<ValueId, number>();
  readonly #given = new Set<ValueId>();

  constructor(graph: Graph, nodes: readonly GraphNode[][], collectives: readonly GraphNode[]) {
    this.graph = graph;
    nodes.forEach((piece, at) => {
      for (const node of piece) for (const id of node.outputs) this.#madeIn.set(id, at);
    });
    collectives.forEach((node, at) => {
      for (const id of node.outputs) {
        this.#madeIn.set(id, at);
        this.#given.add(id);
      }
    });
    nodes.forEach((piece, at) => {
      for (const node of piece) for (const id of node.inputs) this.#read(id, at);
    });
    collectives.forEach((node, at) => {
      for (const id of node.inputs) this.#cross(ownerOf(graph, id), at);
    });
    for (const { value } of graph.outputs) this.#cross(ownerOf(graph, value), nodes.length);
  }

  #read(id: ValueId, at: number): void {
    const owner = ownerOf(this.graph, id);
    const isHere = this.#madeIn.get(owner) === at && !this.#given.has(owner);
    if (!isHere) this.#cross(owner, at);
  }

  #cross(id: ValueId, at: number): void {
    if (!this.#madeIn.has(id)) return;
    this.#lastUse.set(id, Math.max(at, this.#lastUse.get(id) ?? -1));
  }

  /** Whether a segment must be handed the value. */
  isTaken(id: ValueId, at: number): boolean {
    const made = this.#madeIn.get(id);
    return made !== undefined && made < at;
  }

  /** Values that a segment gives to exchanges and later segments. */
  givenBy(at: number): ValueId[] {
    const ids = [...this.#lastUse.keys()].filter((id) => this.#madeIn.get(id) === at);
    return ids.filter((id) => !this.#given.has(id)).toSorted((a, b) => a - b);
  }

  /** Values whose last use is a segment, or the exchange behind it. */
  freedAfter(at: number): ValueId[] {
    return [...this.#lastUse].flatMap(([id, last]) => (last === at ? [id] : []));
  }
}

/** A piece as a graph: what it reads of others are inputs, reshapes of it are shown again here. */
function segmentGraph(crossings: Crossings, piece: readonly GraphNode[], at: number): Graph {
  const { graph } = crossings;
  const nodes: GraphNode[] = [];
  const shown = new Set<ValueId>(piece.flatMap(({ outputs }) => outputs));
  const taken = new Map<ValueId, GraphValue>();
  const inputs = new Map<ValueId, GraphValue>();
  const need = (id: ValueId): void => {
    if (shown.has(id)) return;
    shown.add(id);
    const value = graphValue(graph, id);
    if (value.origin.kind === "input") inputs.set(id, value);
    if (value.origin.kind !== "node") return;
    if (value.origin.node.operation === "Reshape") {
      need(value.origin.node.inputs[0] ?? -1);
      nodes.push(value.origin.node);
      return;
    }
    if (!crossings.isTaken(id, at)) throw new Error(`segment ${at}: nobody gives value ${id}`);
    const name = crossingName(id);
    taken.set(id, { ...value, origin: { kind: "input", name } });
  };
  for (const node of piece) {
    for (const id of node.inputs) need(id);
    nodes.push(node);
  }
  const outputs = crossings.givenBy(at).map((id) => ({ name: crossingName(id), value: id }));
  const values = graph.values.map((value) => taken.get(value.id) ?? value);
  return { nodes, values, inputs: [...inputs.values(), ...taken.values()], outputs };
}

function exchangeOf(graph: Graph, node: GraphNode): Exchange {
  const rank = Number(node.attributes.rank);
  const ranks = (node.attributes.frameCounts as readonly number[]).map((_, at) => at);
  const source = ({ input, from }: Transfer): NamedRuns => ({
    name: crossingName(ownerOf(graph, node.inputs[input] ?? -1)),
    ...from,
  });
  const target = ({ output, to }: Transfer): NamedRuns => ({
    name: crossingName(node.outputs[output] ?? -1),
    ...to,
  });
  const pairs = (from: number, to: number): readonly Transfer[] =>
    transfersOf(graph, node, { from, to });
  const copies = pairs(rank, rank).map((each) => ({ from: source(each), to: target(each) }));
  const receives = ranks.map((from) => (from === rank ? [] : pairs(from, rank).map(target)));
  const filled = new Set([...receives.flat(), ...copies.map(({ to }) => to)].map((to) => to.name));
  const outputs = node.outputs.map((id) => ({
    name: crossingName(id),
    elements: elementCount(graphValue(graph, id).shape),
  }));
  return {
    sends: ranks.map((to) => (to === rank ? [] : pairs(rank, to).map(source))),
    receives,
    copies,
    outputs: outputs.filter(({ name }) => filled.has(name)),
  };
}

/**
 * Cuts one rank's graph at its collectives, in recorded order, which is the same on all ranks.
 *
 * Every node runs in the segment in which it was recorded; a value that a later one reads crosses
 * once, unshaped, and is dropped behind its last use.
 */
export function cutSegments(graph: Graph): SegmentedProgram {
  const { nodes, collectives } = pieces(graph);
  const crossings = new Crossings(graph, nodes, collectives);
  const segments = nodes.map((piece, at): Segment => {
    const collective = collectives[at];
    return {
      graph: segmentGraph(crossings, piece, at),
      exchange: collective === undefined ? undefined : exchangeOf(graph, collective),
      freed: crossings.freedAfter(at).map(crossingName),
    };
  });
  const results = graph.outputs.map(({ name, value }) => ({
    name,
    value: crossingName(ownerOf(graph, value)),
  }));
  return { segments, results };
}

/** Bytes that a rank sends and receives in one run. */
export function exchangedBytes({ segments }: SegmentedProgram): number {
  const parts = segments.flatMap(({ exchange }) =>
    exchange === undefined ? [] : [...exchange.sends.flat(), ...exchange.receives.flat()],
  );
  return parts.reduce((sum, { count, length }) => sum + 4 * count * length, 0);
}
