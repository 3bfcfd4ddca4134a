import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The files that the rules look at: a checkout, or a few planted ones in a rule's own test. */
export interface Project {
  /** Every file, from the root, with `/` between folders; in order. */
  readonly paths: readonly string[];
  readonly text: (path: string) => string;
}

/** Something that a rule refuses. `line` counts from 1; 0 means the file as a whole. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  readonly findings: (project: Project) => readonly Finding[];
}

export const formatFinding = ({ path, line, message }: Finding): string =>
  line === 0 ? `${path}: ${message}` : `${path}:${line}: ${message}`;

/** What `.gitignore` names, as far as it is a folder. */
const foldersSkipped = new Set([
  ".git",
  ".cache",
  "node_modules",
  "dist",
  "coverage",
  "out",
  "work",
]);

export function projectOnDisk(root: string): Project {
  const texts = new Map<string, string>();
  return {
    paths: filesBelow(root, ""),
    text: (path) => {
      const text = texts.get(path) ?? readFileSync(join(root, path), "utf8");
      texts.set(path, text);
      return text;
    },
  };
}

/** A project in memory, for the test of a rule. */
export function plantedProject(files: Readonly<Record<string, string>>): Project {
  return { paths: Object.keys(files).sort(), text: (path) => files[path] ?? "" };
}

function filesBelow(root: string, folder: string): string[] {
  const paths: string[] = [];
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isFile()) paths.push(path);
    else if (entry.isDirectory() && !foldersSkipped.has(entry.name)) {
      paths.push(...filesBelow(root, path));
    }
  }
  return paths;
}

const codeFolders = ["packages/", "services/", "models/", "bench/", "test/", "scripts/"];

/** The code that people wrote: generated files are left out, other languages too. */
export function sourcePaths(project: Project): string[] {
  return project.paths.filter(
    (path) =>
      codeFolders.some((folder) => path.startsWith(folder)) &&
      /\.(ts|mjs|js)$/.test(path) &&
      !/@generated|DO NOT EDIT/.test(project.text(path).slice(0, 400)),
  );
}

export const isTest = (path: string): boolean => path.endsWith(".test.ts");

/** Tests, and what lies in a folder `testing` for several of them. */
export const isForTests = (path: string): boolean => isTest(path) || path.includes("/testing/");

/** The folder of the workspace that a file belongs to: `packages/model`; undefined outside. */
export const workspaceOf = (path: string): string | undefined =>
  /^(?:packages|services)\/[^/]+(?=\/)/.exec(path)?.[0];

/** The folders of all workspaces, by their `package.json`. */
export const workspaceFolders = (project: Project): string[] =>
  project.paths.flatMap(
    (path) => /^((?:packages|services)\/[^/]+)\/package\.json$/.exec(path)?.[1] ?? [],
  );

type Target = string | { readonly default?: string };

export interface Manifest {
  readonly name?: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, Target>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

export function manifestOf(project: Project, folder: string): Manifest {
  const path = folder === "" ? "package.json" : `${folder}/package.json`;
  return project.paths.includes(path) ? JSON.parse(project.text(path)) : {};
}

/** The sources behind a package's `exports`, by the name to import: `.`, `./random`. */
export function doorsOf(project: Project, folder: string): Map<string, string> {
  const doors = Object.entries(manifestOf(project, folder).exports ?? {});
  return new Map(
    doors.flatMap(([door, target]) => {
      const built = typeof target === "string" ? target : (target.default ?? "");
      const path = /^\.\/dist\/(.*)\.js$/.exec(built)?.[1];
      return path === undefined ? [] : [[door, `${folder}/src/${path}.ts`] as const];
    }),
  );
}

/** What a workspace needs at run time, with the versions it asks for. */
export const runtimeDependencies = (manifest: Manifest): Readonly<Record<string, string>> => ({
  ...manifest.dependencies,
  ...manifest.optionalDependencies,
  ...manifest.peerDependencies,
});
