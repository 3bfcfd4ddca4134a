import { type Finding, isTest, type Project, type Rule, sourcePaths } from "./project.js";
import { childOf, lineAt, nodesOf, type SyntaxNode, textOf } from "./syntax.js";

/** A rule that judges one node of the syntax tree at a time. */
const nodeRule = (
  name: string,
  options: { applies?: (path: string) => boolean; judge: (node: SyntaxNode) => string | undefined },
): Rule => ({
  name,
  findings: (project) =>
    sourcePaths(project)
      .filter((path) => options.applies?.(path) ?? true)
      .flatMap((path) =>
        nodesOf(project, path).flatMap((node): Finding[] => {
          const message = options.judge(node);
          if (message === undefined) return [];
          return [{ path, line: lineAt(project.text(path), node.start), message }];
        }),
      ),
});

export const namedExports = nodeRule("exports have names, configuration files aside", {
  applies: (path) => !path.endsWith(".config.ts"),
  judge: ({ type, raw }) => {
    if (type === "ExportDefaultDeclaration") return "export default; give it a name";
    const isDefault =
      type === "ExportSpecifier" && textOf(childOf(raw, "exported"), "name") === "default";
    return isDefault ? "export as default; give it a name" : undefined;
  },
});

export const chosenExports = nodeRule("exports are chosen one by one", {
  judge: ({ type }) =>
    type === "ExportAllDeclaration" ? "export *; name what is public" : undefined,
});

export const noAny = nodeRule("nothing has the type any", {
  judge: ({ type }) => (type === "TSAnyKeyword" ? "any; take unknown and narrow it" : undefined),
});

const isDecision = (path: string): boolean => /\/src\/(job|node)\//.test(path) && !isTest(path);

const timers = /^(setTimeout|setInterval|setImmediate|queueMicrotask)$/;
const readings =
  /^(Date\.now|Math\.random|performance\.now|process\.(env|hrtime|uptime)|crypto\.\w+)$/;

export const pureDecisions = nodeRule("decisions read no clock, no chance and no environment", {
  applies: isDecision,
  judge: (node) => {
    const { type, raw } = node;
    if (
      type === "Identifier" &&
      node.field !== "property" &&
      timers.test(textOf(raw, "name") ?? "")
    ) {
      return `${textOf(raw, "name")}; return an effect instead`;
    }
    if (type === "NewExpression" && textOf(childOf(raw, "callee"), "name") === "Date") {
      return "new Date; take nowMs instead";
    }
    if (type !== "MemberExpression") return undefined;
    const object = textOf(childOf(raw, "object"), "name");
    const name = `${object}.${textOf(childOf(raw, "property"), "name")}`;
    return readings.test(name) ? `${name}; take it as a parameter` : undefined;
  },
});

const unfinished = /\b(TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b/;

export const finished: Rule = {
  name: "what is unfinished is an issue, not a comment",
  findings: (project: Project) =>
    sourcePaths(project).flatMap((path) =>
      project
        .text(path)
        .split("\n")
        .flatMap((text, index): Finding[] => {
          const word = unfinished.exec(text)?.[0];
          return word === undefined
            ? []
            : [{ path, line: index + 1, message: `${word}; open an issue` }];
        }),
    ),
};
