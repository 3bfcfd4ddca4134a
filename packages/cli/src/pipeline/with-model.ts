import type { Settings } from "@retake/coordinator/settings";
import { createEngine, type Model, type ModelFiles, openModel } from "@retake/gpu-node";

/**
 * Lends a model on an engine to `use`, and closes the engine whatever happens.
 *
 * @param options.meanwhile  what can be done while the engine opens; `use` is given its result
 */
export async function withModel<Before, Result>(
  files: ModelFiles,
  options: Pick<Settings, "engine" | "threads"> & {
    readonly cacheDir: string;
    readonly meanwhile: () => Promise<Before>;
  },
  use: (model: Model, before: Before) => Promise<Result>,
): Promise<Result> {
  const { engine: name, threads, cacheDir } = options;
  const opening = createEngine(name, { threads, cacheDir });
  const [before, opened] = await Promise.allSettled([options.meanwhile(), opening]);
  if (opened.status === "rejected") throw opened.reason;
  const engine = opened.value;
  try {
    if (before.status === "rejected") throw before.reason;
    return await use(openModel(files, engine), before.value);
  } finally {
    await engine.close();
  }
}
