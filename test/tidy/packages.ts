import { dirname, join } from "node:path/posix";
import {
  doorsOf,
  type Finding,
  isTest,
  manifestOf,
  type Project,
  type Rule,
  runtimeDependencies,
  workspaceFolders,
  workspaceOf,
} from "./project.js";
import { childOf, childrenOf, importsOf, lineAt, nodesOf, textOf } from "./syntax.js";

const publicNamesMax = 40;
const readmeLinesMax = 80;

/** The names that a file gives to others. */
function exportedNames(project: Project, path: string): string[] {
  return nodesOf(project, path).flatMap(({ type, raw }) => {
    if (type !== "ExportNamedDeclaration") return [];
    const declaration = childOf(raw, "declaration");
    const declared = declaration
      ? [declaration, ...childrenOf(declaration, "declarations")].map((node) => childOf(node, "id"))
      : childrenOf(raw, "specifiers").map((node) => childOf(node, "exported"));
    return declared.flatMap((node) => textOf(node, "name") ?? []);
  });
}

export const publicNames: Rule = {
  name: `a package shows at most ${publicNamesMax} names at each of its doors`,
  findings: (project) =>
    workspaceFolders(project).flatMap((folder): Finding[] => {
      const doors = [...doorsOf(project, folder).values()];
      if (doors.length === 0) {
        return [{ path: `${folder}/package.json`, line: 0, message: "exports nothing" }];
      }
      return doors.flatMap((path): Finding[] => {
        if (!project.paths.includes(path)) return [{ path, line: 0, message: "missing" }];
        const count = new Set(exportedNames(project, path)).size;
        return count <= publicNamesMax ? [] : [{ path, line: 0, message: `${count} public names` }];
      });
    }),
};

/** A rule that judges each runtime dependency of each package. */
const dependencyRule = (
  name: string,
  judge: (
    dependency: { name: string; version: string },
    place: { project: Project; folder: string },
  ) => string | undefined,
): Rule => ({
  name,
  findings: (project) =>
    workspaceFolders(project).flatMap((folder) =>
      Object.entries(runtimeDependencies(manifestOf(project, folder))).flatMap(
        ([name, version]): Finding[] => {
          const message = judge({ name, version }, { project, folder });
          return message === undefined
            ? []
            : [{ path: `${folder}/package.json`, line: 0, message }];
        },
      ),
    ),
});

const isOurs = (name: string): boolean => name.startsWith("@retake/");
const textIf = (project: Project, path: string): string =>
  project.paths.includes(path) ? project.text(path) : "";

export const dependenciesExplained = dependencyRule(
  "a dependency is named in the README of its package",
  ({ name }, { project, folder }) => {
    const isNamed = textIf(project, `${folder}/README.md`).includes(`\`${name}\``);
    return isOurs(name) || isNamed ? undefined : `${name} is not named in ${folder}/README.md`;
  },
);

export const dependenciesPinned = dependencyRule("a dependency is pinned", ({ name, version }) =>
  isOurs(name) || /^\d+\.\d+\.\d+/.test(version)
    ? undefined
    : `${name}: ${version} is not a version`,
);

export const dependenciesUsed = dependencyRule(
  "a dependency is used",
  ({ name }, { project, folder }) => {
    // Generated code counts here: what it imports has to be installed, too.
    const isUsed = project.paths.some(
      (path) =>
        workspaceOf(path) === folder &&
        path.endsWith(".ts") &&
        !isTest(path) &&
        mentions(project, { path, name }),
    );
    return isUsed ? undefined : `${name} is never imported`;
  },
);

/** Whether a file imports a package, or asks for it by name while it runs. */
const mentions = (project: Project, { path, name }: { path: string; name: string }): boolean =>
  [
    ...importsOf(project, path).map(({ specifier }) => specifier),
    ...nodesOf(project, path).flatMap(({ raw }) => textOf(raw, "value") ?? []),
  ].some((text) => text === name || text.startsWith(`${name}/`));

interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function lockEntries(project: Project): Readonly<Record<string, LockEntry>> {
  const { packages }: { packages?: Record<string, LockEntry> } = JSON.parse(
    textIf(project, "package-lock.json") || "{}",
  );
  return packages ?? {};
}

/** `npm ci` refuses a lock file that knows only the platform on which it was written. */
export const lockComplete: Rule = {
  name: "package-lock.json names every platform's packages, with checksums and without hosts",
  findings: (project) => {
    const entries = lockEntries(project);
    return Object.entries(entries).flatMap(([at, entry]): Finding[] => {
      const absent = Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !entries[`node_modules/${name}`] && !entries[`${at}/node_modules/${name}`],
      );
      const problems = absent.map((name) => `${at} wants ${name}, which has no entry`);
      const isFetched = at.includes("node_modules/") && !entry.link;
      if (isFetched && !entry.optional && !entry.integrity) problems.push(`${at}: no checksum`);
      if (isFetched && entry.resolved) problems.push(`${at}: names a host`);
      return problems.map((message) => ({ path: "package-lock.json", line: 0, message }));
    });
  },
};

export const licencesListed = dependencyRule(
  "THIRD_PARTY.md lists every dependency with its version and licence",
  ({ name }, { project, folder }) => {
    if (isOurs(name)) return undefined;
    const entries = lockEntries(project);
    const entry = entries[`${folder}/node_modules/${name}`] ?? entries[`node_modules/${name}`];
    const row = `| \`${name}\` | ${entry?.version} | ${entry?.license} |`;
    return textIf(project, "THIRD_PARTY.md").includes(row) ? undefined : `no row "${row}"`;
  },
);

export const readmes: Rule = {
  name: `every package has a README of at most ${readmeLinesMax} lines`,
  findings: (project) =>
    workspaceFolders(project).flatMap((folder): Finding[] => {
      const path = `${folder}/README.md`;
      const count = textIf(project, path).trimEnd().split("\n").length;
      if (!project.paths.includes(path)) return [{ path, line: 0, message: "missing" }];
      return count <= readmeLinesMax ? [] : [{ path, line: 0, message: `${count} lines` }];
    }),
};

const rootFolders = /^(packages|services|proto|deploy|models|test|bench|scripts|\.ci)\//;

/** A name that can only mean a file of ours: code, a page, a path from the root; not `NAME.ts`. */
const meansFile = (name: string): boolean =>
  /^[\w.@/-]+$/.test(name) &&
  !/^(@|\/|dist\/)|node_modules|\/dist\/|\bNAME\b/.test(name) &&
  (rootFolders.test(name) || /^[\w./-]*[\w-]\.(ts|mjs|sh|md|proto)$/.test(name));

/** Files and folders that a page names, in `code` or as the target of a link. */
function filesNamedIn(text: string): { name: string; line: number }[] {
  const prose = text.replace(/^```[\s\S]*?^```/gm, (block) => block.replace(/[^\n]/g, " "));
  const names = prose.matchAll(/`([^`\n]+)`|\]\(([^)\s#]+)[^)]*\)/g);
  return [...names].flatMap((match) => {
    const name = match[1] ?? match[2] ?? "";
    return meansFile(name) ? [{ name, line: lineAt(text, match.index) }] : [];
  });
}

export const filesExist: Rule = {
  name: "a file that a page names is there",
  findings: (project) => {
    const known = new Set(project.paths.flatMap((path) => [path, ...foldersOf(path)]));
    const basenames = new Set(project.paths.map((path) => path.split("/").at(-1)));
    return project.paths
      .filter((path) => path.endsWith(".md") && !path.startsWith("models/"))
      .flatMap((path) =>
        filesNamedIn(project.text(path)).flatMap(({ name, line }): Finding[] => {
          const folder = dirname(path);
          const places = [name, join(folder, name), join(folder, "src", name)];
          const isKnown = places.some((place) => known.has(place.replace(/\/$/, "")));
          if (isKnown || (!name.includes("/") && basenames.has(name))) return [];
          return [{ path, line, message: `${name} is not there` }];
        }),
      );
  },
};

const foldersOf = (path: string): string[] => {
  const names = path.split("/").slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
};
