import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Checkpoint, openCheckpointFolder } from "@retake/checkpoint";
import { isThere } from "./golden-folder.js";

/** A checkpoint as a user would have it, with one file of VAE weights. */
export interface CheckpointView {
  readonly vaeFile: string;
  readonly checkpoint: Checkpoint;
}

export interface ViewOptions {
  readonly cacheDir: string;
  /** Taken where the checkpoint has no tokenizer of its own. */
  readonly tokenizerPath: string;
}

/**
 * Opens a checkpoint once for each file of VAE weights that it holds, by folders of links, so that
 * the package's own way of opening is what is tested.
 */
export async function openCheckpointViews(
  path: string,
  options: ViewOptions,
): Promise<readonly CheckpointView[]> {
  const vaeFiles = (await readdir(join(path, "vae"))).filter((name) =>
    /\.(safetensors|bin)$/.test(name),
  );
  const views: CheckpointView[] = [];
  for (const vaeFile of vaeFiles.sort().reverse()) {
    const folder = await mkdtemp(join(tmpdir(), "retake-golden-"));
    try {
      await linkView(path, { folder, vaeFile, tokenizerPath: options.tokenizerPath });
      const { cacheDir } = options;
      views.push({ vaeFile, checkpoint: await openCheckpointFolder(folder, { cacheDir }) });
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  return views;
}

async function linkView(
  path: string,
  view: { readonly folder: string; readonly vaeFile: string; readonly tokenizerPath: string },
): Promise<void> {
  const { folder, vaeFile, tokenizerPath } = view;
  for (const name of ["model_index.json", "scheduler", "text_encoder", "unet"]) {
    await symlink(join(path, name), join(folder, name));
  }
  const own = join(path, "tokenizer");
  await symlink((await isThere(own)) ? own : tokenizerPath, join(folder, "tokenizer"));
  await mkdir(join(folder, "vae"));
  for (const name of ["config.json", vaeFile]) {
    await symlink(join(path, "vae", name), join(folder, "vae", name));
  }
}
