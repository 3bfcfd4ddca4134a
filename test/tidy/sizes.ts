import { type Finding, isForTests, type Rule, sourcePaths } from "./project.js";
import { childOf, childrenOf, lineAt, nodesOf, type SyntaxNode, textOf } from "./syntax.js";

// The "fail" column of the table of sizes: the first value that fails.
const fileLinesFail = 500;
const functionLinesFail = 70;
const lineColumnsFail = 101;
const parametersFail = 5;

export const fileLines: Rule = {
  name: `a file has fewer than ${fileLinesFail} lines`,
  findings: (project) =>
    sourcePaths(project).flatMap((path) => {
      const count = project.text(path).trimEnd().split("\n").length;
      return count < fileLinesFail ? [] : [{ path, line: 0, message: `${count} lines; split it` }];
    }),
};

export const lineColumns: Rule = {
  name: `a line has fewer than ${lineColumnsFail} columns`,
  findings: (project) =>
    sourcePaths(project).flatMap((path) =>
      project
        .text(path)
        .split("\n")
        .flatMap((text, index) => {
          const count = Array.from(text).length;
          if (count < lineColumnsFail) return [];
          return [{ path, line: index + 1, message: `${count} columns; break the line` }];
        }),
    ),
};

const functionTypes = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

/** Suites are lists of cases, and lists may be long. */
const isSuite = ({ parent, field }: SyntaxNode, text: string): boolean =>
  parent?.type === "CallExpression" &&
  field === "arguments" &&
  text.startsWith("describe", parent.start);

export const functionLines: Rule = {
  name: `a function has fewer than ${functionLinesFail} lines`,
  findings: (project) =>
    sourcePaths(project).flatMap((path) =>
      nodesOf(project, path).flatMap((node): Finding[] => {
        const text = project.text(path);
        if (!functionTypes.has(node.type) || isSuite(node, text)) return [];
        const line = lineAt(text, node.start);
        const count = lineAt(text, node.end) - line + 1;
        if (count < functionLinesFail) return [];
        return [{ path, line, message: `a function of ${count} lines; divide it` }];
      }),
    ),
};

const parametersOf = ({ raw }: SyntaxNode) =>
  childrenOf(raw, "params").filter((parameter) => textOf(parameter, "name") !== "this");

export const parameterCount: Rule = {
  name: `a function has fewer than ${parametersFail} parameters`,
  findings: (project) =>
    sourcePaths(project).flatMap((path) =>
      nodesOf(project, path).flatMap((node): Finding[] => {
        const isMethodType = node.type === "TSMethodSignature";
        if (!functionTypes.has(node.type) && !isMethodType) return [];
        const count = parametersOf(node).length;
        if (count < parametersFail) return [];
        const line = lineAt(project.text(path), node.start);
        return [{ path, line, message: `${count} parameters; take an options object` }];
      }),
    ),
};

type Parameter = ReturnType<typeof parametersOf>[number];

/** `number`, `string`, `boolean` or `bigint`, by annotation or by default value. */
function primitiveOf(parameter: Parameter): string | undefined {
  if (parameter.type === "AssignmentPattern") {
    const left = childOf(parameter, "left");
    const literal = childOf(parameter, "right")?.value;
    const byValue = /^(number|string|boolean)$/.exec(typeof literal)?.[0];
    return (left && primitiveOf(left)) ?? byValue;
  }
  const annotation = childOf(parameter, "typeAnnotation");
  const type = annotation && childOf(annotation, "typeAnnotation")?.type;
  return /^TS(Number|String|Boolean|BigInt)Keyword$/.exec(type ?? "")?.[1]?.toLowerCase();
}

function nameOf(parameter: Parameter | undefined): string {
  const name = textOf(parameter, "name");
  if (name !== undefined || parameter === undefined) return name ?? "";
  return nameOf(childOf(parameter, "left"));
}

/** Names that say: the order does not matter. */
const interchangeable = new Set(["a, b", "left, right"]);

const namedPlaces = /^(VariableDeclarat|MethodDef|ClassBody|ClassDecl|TSInterface)/;

/**
 * Whether others call this function: it is exported by name, or a method of something that is. The
 * callers of a local function are in sight, and a callback's parameters are its caller's choice.
 */
function isPublic(node: SyntaxNode): boolean {
  if (node.type !== "TSMethodSignature" && !functionTypes.has(node.type)) return false;
  let above = node.parent;
  while (above && namedPlaces.test(above.type)) {
    above = above.parent;
  }
  return above?.type === "ExportNamedDeclaration";
}

export const neighbours: Rule = {
  name: "no two neighbouring parameters of a public function have the same primitive type",
  findings: (project) =>
    sourcePaths(project)
      .filter((path) => !isForTests(path))
      .flatMap((path) =>
        nodesOf(project, path).flatMap((node): Finding[] => {
          if (!isPublic(node)) return [];
          const parameters = parametersOf(node);
          const second = parameters.findIndex((parameter, index) => {
            const before = parameters[index - 1];
            const type = primitiveOf(parameter);
            if (before === undefined || type === undefined) return false;
            const pair = `${nameOf(before)}, ${nameOf(parameter)}`;
            return primitiveOf(before) === type && !interchangeable.has(pair);
          });
          if (second < 0) return [];
          const pair = `${nameOf(parameters[second - 1])} and ${nameOf(parameters[second])}`;
          const line = lineAt(project.text(path), node.start);
          return [{ path, line, message: `${pair} could be swapped; take an options object` }];
        }),
      ),
};
