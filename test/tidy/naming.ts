import { dirname } from "node:path/posix";
import { type Finding, isTest, type Rule, sourcePaths } from "./project.js";
import { lineAt } from "./syntax.js";

const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** `sparse-causal` of `packages/model/src/attention/sparse-causal.test.ts`. */
const stemOf = (path: string): string => (path.split("/").at(-1) ?? "").replace(/\..*$/, "");

const forFiles =
  (judge: (path: string) => string | undefined): Rule["findings"] =>
  (project) =>
    sourcePaths(project).flatMap((path): Finding[] => {
      const message = judge(path);
      return message === undefined ? [] : [{ path, line: 0, message }];
    });

export const kebabCaseNames: Rule = {
  name: "files and folders have kebab-case names",
  findings: forFiles((path) => {
    const names = [...dirname(path).split("/"), stemOf(path)];
    const broken = names.find((name) => !kebabCase.test(name));
    return broken === undefined ? undefined : `"${broken}" is not kebab-case`;
  }),
};

const emptyNames = /^(.+-)?(utils?|helpers?|commons?|misc|types|shared|lib|stuff|tools)$/;

export const tellingNames: Rule = {
  name: "a file is named for what it gives",
  findings: forFiles((path) => {
    const names = path.replace(/\.[^/]*$/, "").split("/");
    const broken = names.find((name) => emptyNames.test(name));
    return broken === undefined ? undefined : `"${broken}" says nothing; name what it gives`;
  }),
};

export const testBeside: Rule = {
  name: "a test lies beside the file that it tests",
  findings: (project) =>
    sourcePaths(project)
      .filter((path) => isTest(path) && /^(packages|services|scripts)\//.test(path))
      .flatMap((path) => {
        const beside = ["ts", "mjs"].map((ending) => `${dirname(path)}/${stemOf(path)}.${ending}`);
        if (beside.some((candidate) => project.paths.includes(candidate))) return [];
        return [{ path, line: 0, message: `there is no ${stemOf(path)}.ts beside it` }];
      }),
};

const sizeWords =
  /(^|_)(duration|timeout|interval|delay|age|ttl|latency|elapsed|deadline|size|length|memory)(_|$)/;
const units = /_(ns|us|ms|seconds|bytes|chars|pixels|count|tokens|frames)$/;

export const protoUnits: Rule = {
  name: "a duration or size in proto ends in its unit",
  findings: (project) =>
    project.paths
      .filter((path) => path.startsWith("proto/") && path.endsWith(".proto"))
      .flatMap((path) => {
        const text = project.text(path);
        const fields = text.matchAll(
          /\b(?:u?int|s?fixed|sint)(?:32|64)\s+(\w+)\s*=|\b(?:float|double)\s+(\w+)\s*=/g,
        );
        return [...fields].flatMap((field): Finding[] => {
          const name = field[1] ?? field[2] ?? "";
          if (!sizeWords.test(name) || units.test(name)) return [];
          return [{ path, line: lineAt(text, field.index), message: `${name}: in which unit?` }];
        });
      }),
};
