import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { delimiter, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import type { Combination } from "./combinations.js";
import type { Manifest } from "./manifest.js";

export const root = fileURLToPath(new URL(`${upFromHere()}`, import.meta.url));
export const manifestsFolder = join(root, "deploy/k8s");
const renderedPath = join(root, "test/k8s/rendered.json");
const outputBytesMax = 16 * 2 ** 20;

/** This file runs as it is, under vitest, and from `dist`, as a command. */
function upFromHere(): string {
  return import.meta.url.includes("/dist/test/k8s/") ? "../../.." : "../..";
}

/** What `npm run k8s:render` has kept: every object once, and which of them a combination has. */
export interface Rendered {
  /** SHA-256 of the sources that it was made from. */
  readonly sourceDigest: string;
  readonly combinations: Readonly<Record<string, readonly string[]>>;
  readonly objects: Readonly<Record<string, Manifest>>;
}

/** A program that renders, and the arguments before the folder. */
export interface Kustomize {
  readonly path: string;
  readonly args: readonly string[];
}

/** Digest of all that is rendered: of names and content, in the order of the names. */
export function digestOfSources(): string {
  const entries = readdirSync(manifestsFolder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".md"))
    .map(({ parentPath, name }) => relative(manifestsFolder, join(parentPath, name)))
    .sort();
  const hash = createHash("sha256");
  for (const path of paths) {
    const text = readFileSync(join(manifestsFolder, path), "utf8");
    hash.update(`${path}\n${Buffer.byteLength(text)}\n${text}\n`);
  }
  return hash.digest("hex");
}

export function readRendered(): Rendered {
  return JSON.parse(readFileSync(renderedPath, "utf8"));
}

/** The objects of a combination, as they were kept. */
export function objectsOf(rendered: Rendered, name: string): Manifest[] {
  const keys = rendered.combinations[name];
  if (keys === undefined) throw new Error(`${name}: expected it in rendered.json; render anew`);
  return keys.flatMap((key) => rendered.objects[key] ?? []);
}

/** kustomize or kubectl, whichever is there; undefined if neither is. */
export function findKustomize(env: NodeJS.ProcessEnv): Kustomize | undefined {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const at = (name: string) =>
    folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  const own = env.KUSTOMIZE_PATH ?? at("kustomize");
  if (own !== undefined) return { path: own, args: ["build"] };
  const kubectl = at("kubectl");
  return kubectl === undefined ? undefined : { path: kubectl, args: ["kustomize"] };
}

/** Renders a combination as an operator would: by a kustomization that names it. */
export async function render(
  { path, args }: Kustomize,
  { name, resource, components }: Combination,
): Promise<Manifest[]> {
  const folder = join(root, ".cache/k8s", `${process.pid}`, name);
  const place = (of: string) => relative(folder, join(manifestsFolder, of));
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [place(resource)],
    components: components.map(place),
  };
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(kustomization));
    const options = { maxBuffer: outputBytesMax };
    const { stdout } = await promisify(execFile)(path, [...args, folder], options);
    return parseAllDocuments(stdout).map((document): Manifest => document.toJS());
  } finally {
    await rm(join(root, ".cache/k8s", `${process.pid}`), { recursive: true, force: true });
  }
}

/** Objects that are the same in several combinations are kept once. */
export function gathered(
  rendered: ReadonlyMap<string, readonly Manifest[]>,
  sourceDigest: string,
): Rendered {
  const objects = new Map<string, Manifest>();
  const combinations: Record<string, string[]> = {};
  for (const [name, all] of rendered) {
    combinations[name] = all.map((object) => {
      const digest = createHash("sha256").update(JSON.stringify(object)).digest("hex");
      const key = `${object.kind}/${object.metadata.name}/${digest.slice(0, 8)}`;
      objects.set(key, object);
      return key;
    });
  }
  const sorted = [...objects].sort(([left], [right]) => (left < right ? -1 : 1));
  return { sourceDigest, combinations, objects: Object.fromEntries(sorted) };
}

export async function writeRendered(rendered: Rendered): Promise<void> {
  await writeFile(renderedPath, `${JSON.stringify(rendered, undefined, 1)}\n`);
}
