import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import { readShardIndex } from "../diffusers/weight-files.js";
import { makeFolder, writeAll, writeAtomically } from "../files/atomic-file.js";
import { isObject, readJsonObject } from "../files/read-json.js";
import { throwIfStopped } from "../files/stop.js";
import { downloadFile, hasSize } from "./download.js";
import { downloadFailed, hubError } from "./hub-errors.js";
import { checkpointFiles, fileOf, type HubFile, type HubListing } from "./hub-files.js";

export interface HubProgress {
  readonly file: string;
  /** Of all files, what was there already included. */
  readonly bytes: number;
  readonly bytesTotal: number;
}

export interface HubOptions {
  readonly cacheDir: string;
  /** A branch, a tag or a commit. */
  readonly revision?: string;
  /** For gated and private models; begins with `hf_`. Never in a message. */
  readonly token?: string;
  /** Use what is in the cache, and ask nobody. */
  readonly offline?: boolean;
  readonly onProgress?: (progress: HubProgress) => void;
  readonly signal?: AbortSignal;
  /** The hub or a mirror of it. */
  readonly hubUrl?: string;
  /** Wait before the first new attempt; each further one doubles it. */
  readonly retryDelayMs?: number;
}

const hubUrlDefault = "https://huggingface.co";
const revisionDefault = "main";
/** Written last into a downloaded folder: what it must hold. */
const listName = "retake-files.json";
const commitPattern = /^[0-9a-f]{40}$/;

/**
 * Brings a checkpoint from the Hugging Face hub into the cache: only the files that it consists of,
 * each checked against the hub's hash, each going on where an earlier run stopped. If the hub
 * cannot be reached, what it last gave for this revision serves.
 *
 * @param id  `owner/name`
 * @returns   the folder, as `openCheckpointFolder` takes it
 * @throws RetakeError  `hub-unauthorized`, `file-not-found`, `download-failed`,
 *                      `checksum-mismatch`, `checkpoint-incomplete`, `offline`, `disk-full`,
 *                      `stopped`
 */
export async function fetchFromHub(id: string, options: HubOptions): Promise<string> {
  const place = placeOf(id, options);
  const commit = await knownCommit(place);
  const isPinned = commitPattern.test(place.revision);
  const missing = await missingFiles(place, commit);
  if (commit !== undefined && missing.length === 0 && (options.offline || isPinned)) {
    return join(place.folder, "snapshots", commit);
  }
  if (options.offline) {
    const names = missing.slice(0, 3).join(", ");
    const message = `${id}: expected all of it in ${place.folder}, missing ${names}`;
    throw new RetakeError(Code.FailedPrecondition, "offline", `${message}; go online once`);
  }
  if (options.token !== undefined && !options.token.startsWith("hf_")) {
    const message = `${id}: expected a token that begins with hf_, got another text`;
    throw new RetakeError(Code.Unauthenticated, "hub-unauthorized", message);
  }
  const hubUrl = options.hubUrl ?? hubUrlDefault;
  try {
    return await download(id, { ...options, hubUrl }, place);
  } catch (thrown) {
    throwIfStopped(options.signal, id);
    const error = hubError(thrown, { name: id, hubUrl });
    const isHere = commit !== undefined && missing.length === 0;
    if (isHere && error.code === Code.Unavailable) return join(place.folder, "snapshots", commit);
    throw error;
  }
}

/** Whether a name can be one of the hub: `owner/name`. */
export function isHubId(text: string): boolean {
  return /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(text) && !text.includes("..");
}

interface Place {
  readonly folder: string;
  readonly revision: string;
}

function placeOf(id: string, { cacheDir, revision = revisionDefault }: HubOptions): Place {
  if (!isHubId(id)) {
    const message = `${JSON.stringify(id)}: expected a hub id, owner/name`;
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(revision) || revision.includes("..")) {
    const message = `${JSON.stringify(revision)}: expected a branch, a tag or a commit`;
    throw new RetakeError(Code.InvalidArgument, "bad-option", message);
  }
  return { folder: join(cacheDir, "hub", id.replace("/", "--")), revision };
}

const refOf = ({ folder, revision }: Place): string =>
  join(folder, "refs", revision.replaceAll("/", "--"));

/** The commit that the revision was at when it was last asked for. */
async function knownCommit(place: Place): Promise<string | undefined> {
  if (commitPattern.test(place.revision)) return place.revision;
  const text = await readFile(refOf(place), "utf8").catch(() => "");
  return commitPattern.test(text) ? text : undefined;
}

/** Files that a snapshot lacks, by its own list; without a list, everything. */
async function missingFiles(place: Place, commit: string | undefined): Promise<readonly string[]> {
  if (commit === undefined) return [`revision ${place.revision}`];
  const folder = join(place.folder, "snapshots", commit);
  const list = await readJsonObject(join(folder, listName)).catch(() => undefined);
  if (list === undefined) return ["some files: its download has not finished"];
  const missing: string[] = [];
  for (const [path, byteLength] of Object.entries(list)) {
    if (!(await hasSize(join(folder, path), Number(byteLength)))) missing.push(path);
  }
  return missing;
}

type OnlineOptions = HubOptions & { readonly hubUrl: string };

async function download(id: string, options: OnlineOptions, place: Place): Promise<string> {
  const hub = await import("@huggingface/hub");
  const account = options.token === undefined ? {} : { accessToken: options.token };
  const asked = { ...account, hubUrl: options.hubUrl, fetch: fetchUntil(options.signal) };
  const info = await hub.modelInfo({
    ...asked,
    name: id,
    revision: place.revision,
    additionalFields: ["sha"],
  });
  const commit = String(info.sha);
  if (!commitPattern.test(commit))
    throw downloadFailed({ name: id, why: "the hub named no commit" });
  const listing = new Map<string, HubFile>();
  const repo = { type: "model", name: id } as const;
  for await (const entry of hub.listFiles({ ...asked, repo, revision: commit, recursive: true })) {
    const file = hubFile(entry);
    if (file !== undefined) listing.set(file.path, file);
  }
  const folder = join(place.folder, "snapshots", commit);
  const files = await downloadFiles(folder, { id, commit, listing }, options);
  const list = Object.fromEntries(files.map(({ path, byteLength }) => [path, byteLength]));
  await writeText(join(folder, listName), JSON.stringify(list));
  await makeFolder(join(place.folder, "refs"));
  await writeText(refOf(place), commit);
  return folder;
}

function fetchUntil(signal: AbortSignal | undefined): typeof fetch {
  return (input, init) => fetch(input, signal === undefined ? init : { ...init, signal });
}

async function writeText(path: string, text: string): Promise<void> {
  await writeAtomically(path, (handle) => writeAll(handle, Buffer.from(text)));
}

function hubFile(entry: unknown): HubFile | undefined {
  if (!isObject(entry) || entry.type !== "file") return undefined;
  const { path, size, oid, lfs } = entry;
  const value = isObject(lfs) ? lfs.oid : oid;
  if (typeof path !== "string" || typeof size !== "number" || typeof value !== "string") {
    return undefined;
  }
  const kind = isObject(lfs) ? "sha256" : "git-blob";
  return { path, byteLength: size, hash: { kind, value } };
}

interface Repository {
  readonly id: string;
  readonly commit: string;
  readonly listing: HubListing;
}

async function downloadFiles(
  folder: string,
  repository: Repository,
  options: OnlineOptions,
): Promise<readonly HubFile[]> {
  const files = [...checkpointFiles(repository.listing, repository.id)];
  let bytes = 0;
  // The list grows while it is walked: an index adds the shards that it names.
  for (const file of files) {
    const target = join(folder, file.path);
    const onBytes = (count: number): void => {
      bytes += count;
      const bytesTotal = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
      options.onProgress?.({ file: file.path, bytes, bytesTotal });
    };
    if (await hasSize(target, file.byteLength)) onBytes(file.byteLength);
    else await bring(file, { target, repository, onBytes }, options);
    if (!/\.index(\.\w+)?\.json$/.test(file.path)) continue;
    const component = file.path.slice(0, file.path.indexOf("/"));
    for (const shard of new Set((await readShardIndex(target)).values())) {
      files.push(
        fileOf(repository.listing, { path: `${component}/${shard}`, name: repository.id }),
      );
    }
  }
  return files;
}

async function bring(
  file: HubFile,
  to: {
    readonly target: string;
    readonly repository: Repository;
    readonly onBytes: (count: number) => void;
  },
  options: OnlineOptions,
): Promise<void> {
  const { id, commit } = to.repository;
  const url = `${options.hubUrl}/${id}/resolve/${commit}/${file.path}`;
  await downloadFile(
    url,
    { file, target: to.target },
    {
      name: id,
      hubUrl: options.hubUrl,
      onBytes: to.onBytes,
      ...(options.token === undefined ? {} : { token: options.token }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.retryDelayMs === undefined ? {} : { retryDelayMs: options.retryDelayMs }),
    },
  );
}
