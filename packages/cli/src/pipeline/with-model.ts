import { createEngine, type Model, type ModelFiles, openModel } from "@retake/gpu-node";
import type { Settings } from "../settings/setting-specs.js";

/** Lends a model on an engine to `use`, and closes the engine whatever happens. */
export async function withModel<Result>(
  files: ModelFiles,
  options: Pick<Settings, "engine" | "threads"> & { readonly cacheDir: string },
  use: (model: Model) => Promise<Result>,
): Promise<Result> {
  const { engine: name, threads, cacheDir } = options;
  const engine = await createEngine(name, { threads, cacheDir });
  try {
    return await use(openModel(files, engine));
  } finally {
    await engine.close();
  }
}
