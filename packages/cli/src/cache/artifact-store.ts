import { readFile, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeAtomically } from "@retake/coordinator";
import { fileDigest, jsonDigest } from "@retake/coordinator/result";
import { fromUnknown } from "@retake/errors";
import { makeFolders } from "./make-folders.js";

/** Grows with every change that no key names: then all older artifacts are forgotten. */
const artifactVersion = 1;

export const artifactKinds = [
  ...(["clip", "moments", "prompt", "delta", "inverted"] as const),
  "reconstructed",
] as const;
export type ArtifactKind = (typeof artifactKinds)[number];

/** Results that were paid for once, kept under everything they depend on. */
export interface ArtifactStore {
  readonly folder: string;
  /** With false, nothing is read and nothing is kept. */
  readonly isOn: boolean;
  readonly nowMs: () => number;
  readonly onWarning: (warning: string) => void;
}

/** What an artifact is, and how it lies on the disk. */
export interface ArtifactForm<Value> {
  readonly kind: ArtifactKind;
  /** Everything that the value depends on; JSON. */
  readonly key: Readonly<Record<string, unknown>>;
  readonly read: (path: string) => Promise<Value>;
  readonly write: (path: string, value: Value) => Promise<void>;
}

/** How an artifact is made. */
export interface ArtifactRecipe<Value> extends ArtifactForm<Value> {
  readonly make: () => Promise<Value>;
}

export interface Artifact<Value> {
  readonly value: Value;
  /** Names the artifact by what it depends on. */
  readonly id: string;
  /** Whether it was there. */
  readonly reused: boolean;
}

/**
 * The artifact of a key: from the store, if it is there and its digest is right, else made and
 * kept.
 * A store that cannot be written costs time, never the result.
 */
export async function artifact<Value>(
  store: ArtifactStore,
  recipe: ArtifactRecipe<Value>,
): Promise<Artifact<Value>> {
  return (
    (await foundArtifact(store, recipe)) ?? (await keptArtifact(store, recipe, await recipe.make()))
  );
}

/** The artifact of a key, if it is there and its digest is right. */
export async function foundArtifact<Value>(
  store: ArtifactStore,
  form: ArtifactForm<Value>,
): Promise<Artifact<Value> | undefined> {
  if (!store.isOn) return undefined;
  const known = await readArtifact(store, form, pathOf(store, form));
  return known === undefined ? undefined : { value: known.value, id: idOf(form), reused: true };
}

/** Keeps an artifact that was made otherwise, as far as that is possible. */
export async function keptArtifact<Value>(
  store: ArtifactStore,
  form: ArtifactForm<Value>,
  value: Value,
): Promise<Artifact<Value>> {
  if (store.isOn) {
    await keep(form, pathOf(store, form), value).catch((thrown: unknown) => {
      const { message } = fromUnknown(thrown, `keeping ${form.kind}`);
      store.onWarning(`${message} (the result is not kept for the next time)`);
    });
  }
  return { value, id: idOf(form), reused: false };
}

type ArtifactName = Pick<ArtifactForm<unknown>, "kind" | "key">;

const idOf = ({ kind, key }: ArtifactName): string => jsonDigest([artifactVersion, kind, key]);

const pathOf = (store: ArtifactStore, name: ArtifactName): string =>
  join(store.folder, "artifacts", name.kind, idOf(name));

async function readArtifact<Value>(
  store: ArtifactStore,
  form: ArtifactForm<Value>,
  path: string,
): Promise<{ readonly value: Value } | undefined> {
  const record = await readFile(`${path}.json`, "utf8").catch(() => undefined);
  if (record === undefined) return undefined;
  try {
    const { sha256 } = await fileDigest(path);
    if (sha256 === recordedDigest(record)) {
      const value = await form.read(path);
      const now = new Date(store.nowMs());
      await utimes(`${path}.json`, now, now).catch(() => undefined);
      return { value };
    }
    store.onWarning(`${path}: its digest is wrong; it is made again`);
  } catch (thrown) {
    const { message } = fromUnknown(thrown, path);
    store.onWarning(`${message} (it is made again)`);
  }
  await rm(`${path}.json`, { force: true });
  return undefined;
}

function recordedDigest(record: string): unknown {
  try {
    const fields: unknown = JSON.parse(record);
    return typeof fields === "object" && fields !== null && "sha256" in fields
      ? fields.sha256
      : undefined;
  } catch {
    return undefined;
  }
}

/** The record is written last: without it, the artifact does not exist. */
async function keep<Value>(form: ArtifactForm<Value>, path: string, value: Value): Promise<void> {
  const { kind, key } = form;
  await makeFolders(dirname(path));
  await form.write(path, value);
  const { bytes, sha256 } = await fileDigest(path);
  const record = `${JSON.stringify({ kind, bytes, sha256, key }, null, 1)}\n`;
  await writeAtomically(`${path}.json`, (temporary) => writeFile(temporary, record));
}
