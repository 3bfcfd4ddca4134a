import { parseAst } from "vitest/node";
import type { Project } from "./project.js";

/** A node of the syntax tree (ESTree with TypeScript's additions), with the way back up. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly parent: SyntaxNode | undefined;
  /** The field of `parent` that holds this node. */
  readonly field: string;
  /** The parser's own node, for `childOf` and `fieldOf`. */
  readonly raw: RawNode;
}
interface RawNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

const isRawNode = (value: unknown): value is RawNode =>
  typeof value === "object" && value !== null && "type" in value && "start" in value;

const parsed = new WeakMap<Project, Map<string, readonly SyntaxNode[]>>();

/** Every node of a file, parents before children, in the order of the text. */
export function nodesOf(project: Project, path: string): readonly SyntaxNode[] {
  const files = parsed.get(project) ?? new Map<string, readonly SyntaxNode[]>();
  parsed.set(project, files);
  const known = files.get(path);
  if (known !== undefined) return known;
  const program: unknown = parseAst(project.text(path), {
    lang: path.endsWith(".ts") ? "ts" : "js",
  });
  const nodes: SyntaxNode[] = [];
  collect(program, { parent: undefined, field: "", nodes });
  files.set(path, nodes);
  return nodes;
}

function collect(
  value: unknown,
  place: { parent: SyntaxNode | undefined; field: string; nodes: SyntaxNode[] },
): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(item, place);
  } else if (isRawNode(value)) {
    const { type, start, end } = value;
    const node = { type, start, end, parent: place.parent, field: place.field, raw: value };
    place.nodes.push(node);
    for (const [field, child] of Object.entries(value)) {
      if (field !== "parent") collect(child, { parent: node, field, nodes: place.nodes });
    }
  }
}

/** A field that is a node. */
export function childOf(raw: RawNode, field: string): RawNode | undefined {
  const child = raw[field];
  return isRawNode(child) ? child : undefined;
}

/** A field that is a list of nodes. */
export function childrenOf(raw: RawNode, field: string): readonly RawNode[] {
  const children = raw[field];
  return Array.isArray(children) ? children.filter(isRawNode) : [];
}

/** A field that is a text, such as an identifier's `name` or a literal's `value`. */
export function textOf(raw: RawNode | undefined, field: string): string | undefined {
  const text = raw?.[field];
  return typeof text === "string" ? text : undefined;
}

/** The line, counted from 1, of an offset in a text. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1))
    line += 1;
  return line;
}

export interface Import {
  /** As written: `./axes.js`, `@retake/errors`, `node:fs`. */
  readonly specifier: string;
  readonly line: number;
}

/** What a file imports, re-exports, loads while it runs, or starts as a worker by `new URL`. */
export function importsOf(project: Project, path: string): Import[] {
  const text = project.text(path);
  return nodesOf(project, path).flatMap((node) => {
    const written = textOf(specifierNode(node), "value");
    if (written === undefined) return [];
    const isUrlOfFile = node.type === "NewExpression" && !written.startsWith(".");
    const specifier = isUrlOfFile ? `./${written}` : written;
    return [{ specifier, line: lineAt(text, node.start) }];
  });
}

function specifierNode({ type, raw }: SyntaxNode): RawNode | undefined {
  if (/^(Import|ExportNamed|ExportAll)Declaration$/.test(type)) return childOf(raw, "source");
  if (type === "ImportExpression" || type === "TSImportType") return childOf(raw, "source");
  const callee = textOf(childOf(raw, "callee"), "name");
  const [first, second] = childrenOf(raw, "arguments");
  if (type === "CallExpression" && callee === "require") return first;
  const isRelativeUrl = second?.type === "MemberExpression" && type === "NewExpression";
  return isRelativeUrl && callee === "URL" ? first : undefined;
}
