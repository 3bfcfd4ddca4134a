import { dirname, join } from "node:path/posix";
import {
  doorsOf,
  type Finding,
  isForTests,
  isTest,
  manifestOf,
  type Project,
  type Rule,
  runtimeDependencies,
  sourcePaths,
  workspaceFolders,
  workspaceOf,
} from "./project.js";
import { importsOf, nodesOf, textOf } from "./syntax.js";

/** Whom each package may import. The arrows of the README, and nothing else. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  model: ["errors"],
  compile: ["errors", "model"],
  checkpoint: ["errors"],
  wire: ["errors"],
  coordinator: ["errors", "wire"],
  "gpu-node": ["errors", "model", "compile", "checkpoint", "wire"],
  cli: ["errors", "wire", "coordinator", "gpu-node"],
};

const scope = "@retake/";
const nameOf = (workspace: string): string => workspace.replace(/^[^/]+\//, "");

/** `@scope/name` or `name`, if a specifier names a package rather than a file or a part of Node. */
function packageOf(specifier: string): string | undefined {
  if (/^[./]|^node:|^file:|^data:/.test(specifier)) return undefined;
  return /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
}

/** The file that a relative specifier means: sources say `.js` where the file is `.ts`. */
function fileOf(project: Project, from: string, { specifier }: { specifier: string }) {
  if (!specifier.startsWith(".")) return undefined;
  const path = join(dirname(from), specifier);
  return [path.replace(/\.js$/, ".ts"), path].find((candidate) =>
    project.paths.includes(candidate),
  );
}

type Judge = (specifier: string, path: string) => string | undefined;

/** A rule that judges one import at a time. */
const importRule = (name: string, judge: (project: Project) => Judge): Rule => ({
  name,
  findings: (project) => {
    const judgeImport = judge(project);
    return sourcePaths(project).flatMap((path) =>
      importsOf(project, path).flatMap(({ specifier, line }): Finding[] => {
        const message = judgeImport(specifier, path);
        return message === undefined ? [] : [{ path, line, message }];
      }),
    );
  },
});

export const alongArrows = importRule("packages import each other along the arrows", () => {
  return (specifier, path) => {
    const workspace = workspaceOf(path);
    const target = packageOf(specifier);
    if (workspace === undefined || !target?.startsWith(scope)) return undefined;
    const from = nameOf(workspace);
    const to = target.slice(scope.length);
    const allowed = arrows[from];
    if (allowed === undefined)
      return `${from} has no arrows yet; draw them in test/tidy/imports.ts`;
    return to === from || allowed.includes(to) ? undefined : `${from} may not import ${to}`;
  };
});

/** What a folder must not reach, however it is called; the reasons are the design's. */
const forbidden: readonly { folder: RegExp; imports: RegExp; because: string }[] = [
  {
    folder: /^packages\/errors\//,
    imports: /./,
    because: "errors is a leaf",
  },
  {
    folder: /^packages\/model\//,
    imports: /^node:|^onnxruntime|^@grpc\/|^@nats-io\//,
    because: "the model is mathematics: no files, no engine",
  },
  {
    folder: /^services\/coordinator\//,
    imports: /^@tensorflow\/|^onnxruntime/,
    because: "the coordinator starts in a second",
  },
  {
    folder: /^services\/[^/]+\/src\/(job|node)\//,
    imports: /^@grpc\/|^@nats-io\/|^node:(?!assert|buffer|crypto|path|url|util)/,
    because: "decisions are pure; the edge acts",
  },
];

export const withinReach = importRule("a folder imports nothing that is forbidden to it", () => {
  return (specifier, path) => {
    if (isForTests(path)) return undefined;
    if (specifier.includes("/testing/")) return `may not import ${specifier}: it is for tests`;
    if (specifier.startsWith(".")) return undefined;
    const broken = forbidden.find(
      ({ folder, imports }) => folder.test(path) && imports.test(specifier),
    );
    return broken && `may not import ${specifier}: ${broken.because}`;
  };
});

export const frontDoor = importRule("packages are imported by their front door", (project) => {
  const doors = new Set(
    workspaceFolders(project).flatMap((folder) => {
      const { name = folder } = manifestOf(project, folder);
      return [...doorsOf(project, folder).keys()].map((door) => join(name, door));
    }),
  );
  return (specifier, path) => {
    const isDeep = specifier.startsWith(scope) && specifier.slice(scope.length).includes("/");
    if (isDeep && !doors.has(specifier)) return `${specifier} is a back door; import the package`;
    if (!specifier.startsWith(".")) return undefined;
    const target = workspaceOf(join(dirname(path), specifier));
    if (target === undefined || target === workspaceOf(path)) return undefined;
    return `${specifier} reaches into ${target}; import the package`;
  };
});

export const declaredImports = importRule("what is imported is declared", (project) => {
  const manifests = new Map(
    ["", ...workspaceFolders(project)].map((folder) => [folder, manifestOf(project, folder)]),
  );
  const forTools = new Set(Object.keys(manifests.get("")?.devDependencies ?? {}));
  return (specifier, path) => {
    const name = packageOf(specifier);
    const folder = workspaceOf(path);
    if (name === undefined) return undefined;
    if (folder === undefined) {
      const isKnown =
        forTools.has(name) || [...manifests.values()].some((m) => runtimeDependencies(m)[name]);
      return isKnown || name.startsWith(scope) ? undefined : `${name} is not declared anywhere`;
    }
    const manifest = manifests.get(folder) ?? {};
    if (runtimeDependencies(manifest)[name] !== undefined || name === manifest.name)
      return undefined;
    if (isForTests(path) && forTools.has(name)) return undefined;
    return `${name} is not among the dependencies of ${folder}/package.json`;
  };
});

/** The files of this repository that each file imports. */
function importGraph(project: Project): Map<string, string[]> {
  const targetsOf = (path: string) =>
    importsOf(project, path).flatMap((imported) => fileOf(project, path, imported) ?? []);
  return new Map(sourcePaths(project).map((path) => [path, targetsOf(path)]));
}

export const noCycles: Rule = {
  name: "files do not import each other in a circle, types included",
  findings: (project) => {
    const graph = importGraph(project);
    const done = new Set<string>();
    const findings: Finding[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        const circle = [...trail.slice(trail.indexOf(path)), path];
        findings.push({ path, line: 0, message: `a circle: ${circle.join(" -> ")}` });
      } else if (!done.has(path)) {
        for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
        done.add(path);
      }
    };
    for (const path of graph.keys()) visit(path, []);
    return findings;
  },
};

/** Files that something else starts: by package name, by npm, by vitest. */
function isEntry(project: Project, path: string): boolean {
  if (isTest(path) || /\.config\.ts$|\/src\/main\.ts$/.test(path)) return true;
  const bench = /^bench\/([^/]+)\.ts$/.exec(path)?.[1];
  const part = /^models\/demo\/([^/]+)\/run\.ts$/.exec(path)?.[1];
  const scripts = Object.values(manifestOf(project, "").scripts ?? {});
  const starts = (text: string): boolean =>
    [` bench ${bench}`, ` demo-model ${part}`].some((end) => text.endsWith(end));
  if (scripts.some((text) => text.includes(path) || starts(text))) return true;
  return workspaceFolders(project).some((folder) => {
    const programs = Object.values(manifestOf(project, folder).bin ?? {});
    const isProgram = programs.some((program) => join(folder, program) === path);
    return isProgram || [...doorsOf(project, folder).values()].includes(path);
  });
}

/** Files that a program starts by their built name: `dist/test/golden/run.js`, `./worker.js`. */
function filesNamed(project: Project, path: string): string[] {
  return nodesOf(project, path).flatMap(({ type, raw }) => {
    const name = type === "Literal" ? textOf(raw, "value") : undefined;
    if (name === undefined || !/\.m?js$/.test(name)) return [];
    if (name.startsWith(".")) return fileOf(project, path, { specifier: name }) ?? [];
    const source = name.replace(/^dist\//, "").replace(/\.js$/, ".ts");
    return [name, source].filter((candidate) => project.paths.includes(candidate));
  });
}

export const noOrphans: Rule = {
  name: "every file is imported or started by another, tests aside",
  findings: (project) => {
    const used = new Set<string>();
    for (const [path, targets] of importGraph(project)) {
      const isUnitTest = isTest(path) && !path.startsWith("test/");
      for (const target of [...targets, ...filesNamed(project, path)]) {
        if (target !== path && (!isUnitTest || isForTests(target))) used.add(target);
      }
    }
    return sourcePaths(project)
      .filter((path) => !used.has(path) && !isEntry(project, path))
      .map((path) => ({ path, line: 0, message: "nobody imports this file" }));
  },
};
