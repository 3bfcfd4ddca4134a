/** What an element is. Everything that Retake computes is float32; ids and masks are int32. */
export type ElementType = "float32" | "int32";

/** Index of a value in its graph. */
export type ValueId = number;

export type Attribute = number | string | boolean | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

/** Where a value comes from. */
export type Origin =
  | { readonly kind: "input"; readonly name: string }
  /** Part of a frozen weight: `begin` counts elements into the stored, row-major tensor. */
  | { readonly kind: "weight"; readonly name: string; readonly begin: number }
  | { readonly kind: "constant"; readonly data: Float32Array | Int32Array }
  /** The same number everywhere; it costs no memory. */
  | { readonly kind: "fill"; readonly value: number }
  | { readonly kind: "node"; readonly node: GraphNode };

export interface GraphValue {
  readonly id: ValueId;
  readonly shape: readonly number[];
  readonly type: ElementType;
  readonly origin: Origin;
}

/** One operation. `path` leads back to the model's module that recorded it. */
export interface GraphNode {
  readonly operation: string;
  readonly inputs: readonly ValueId[];
  /** Filled in by the builder when the node is made. */
  readonly outputs: readonly ValueId[];
  readonly attributes: Attributes;
  readonly path: string;
  /** The recompute mark inside which the node was recorded; empty outside. */
  readonly segment: string;
  /** Whether the node was recorded after the loss, that is in the backward pass. */
  readonly backward: boolean;
}

export interface GraphOutput {
  readonly name: string;
  readonly value: ValueId;
}

/** A recorded program: nodes in an order in which they can run. */
export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly values: readonly GraphValue[];
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphOutput[];
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** @throws Error  if the graph has no such value: a bug of whoever made the id */
export function graphValue(
  graph: { readonly values: readonly GraphValue[] },
  id: ValueId,
): GraphValue {
  const value = graph.values[id];
  if (value === undefined) throw new Error(`graph: there is no value ${id}`);
  return value;
}

const collectiveOperations: ReadonlySet<string> = new Set([
  ...["GatherFrames", "FrameHalo", "FramesToSites", "SitesToFrames"],
]);

/** Whether a node exchanges values with other ranks: all take part, also one that needs nothing. */
export function isCollective({ operation }: GraphNode): boolean {
  return collectiveOperations.has(operation);
}

/** The nodes that the outputs need, and those that other ranks do, in their order. */
export function neededNodes(
  nodes: readonly GraphNode[],
  outputs: readonly GraphOutput[],
): GraphNode[] {
  const needed = new Set(outputs.map(({ value }) => value));
  const kept: GraphNode[] = [];
  for (const node of nodes.toReversed()) {
    if (!isCollective(node) && !node.outputs.some((id) => needed.has(id))) continue;
    kept.push(node);
    for (const id of node.inputs) needed.add(id);
  }
  return kept.reverse();
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
