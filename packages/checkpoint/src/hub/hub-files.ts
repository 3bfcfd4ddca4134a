import { incomplete, weightFileNames } from "../diffusers/weight-files.js";

/** A file of a repository on the hub. */
export interface HubFile {
  readonly path: string;
  readonly byteLength: number;
  /** What its content must hash to: SHA-256 for large files, git's own SHA-1 for small ones. */
  readonly hash: { readonly kind: "sha256" | "git-blob"; readonly value: string };
}
export type HubListing = ReadonlyMap<string, HubFile>;

const needed = [
  "model_index.json",
  "unet/config.json",
  "vae/config.json",
  "text_encoder/config.json",
  "scheduler/scheduler_config.json",
  "tokenizer/vocab.json",
  "tokenizer/merges.txt",
];
const taken = [
  "tokenizer/tokenizer_config.json",
  "tokenizer/special_tokens_map.json",
  "tokenizer/added_tokens.json",
  "retake.json",
];

/**
 * The few files of a repository that a checkpoint consists of. A repository holds the same weights
 * in up to six formats: one is taken, by the order in which a folder is opened. Of shards this is
 * the index; the shards that it names are for the caller to add.
 *
 * @throws RetakeError  `checkpoint-incomplete`, naming the first file that is not there
 */
export function checkpointFiles(listing: HubListing, name: string): readonly HubFile[] {
  const files = needed.map((path) => fileOf(listing, { path, name }));
  for (const component of ["unet", "vae", "text_encoder"]) {
    const paths = weightFileNames(component).map((file) => `${component}/${file}`);
    const path = paths.find((candidate) => listing.has(candidate)) ?? paths[0] ?? component;
    files.push(fileOf(listing, { path, name }));
  }
  for (const path of taken) {
    const file = listing.get(path);
    if (file !== undefined) files.push(file);
  }
  return files;
}

/** @throws RetakeError  `checkpoint-incomplete` */
export function fileOf(
  listing: HubListing,
  { path, name }: { readonly path: string; readonly name: string },
): HubFile {
  const file = listing.get(path);
  if (file !== undefined) return file;
  throw incomplete(
    `${name}: expected ${path} in this repository, got none; is it Stable Diffusion?`,
  );
}
