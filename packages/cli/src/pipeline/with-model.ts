import type { Settings } from "@retake/coordinator/settings";
import {
  createEngine,
  type Engine,
  type Model,
  type ModelFiles,
  openModel,
} from "@retake/gpu-node";

/**
 * Lends a model on an engine to `use`, and closes the engine whatever happens.
 *
 * @param options.meanwhile  what can be done while the engine opens; `use` is given its result
 * @param options.prepare    called as soon as the engine is open
 */
export async function withModel<Before, Result>(
  files: ModelFiles,
  options: Pick<Settings, "engine" | "threads"> & {
    readonly cacheDir: string;
    readonly meanwhile: () => Promise<Before>;
    readonly prepare?: (model: Model) => void;
  },
  use: (model: Model, before: Before) => Promise<Result>,
): Promise<Result> {
  const { engine: name, threads, cacheDir } = options;
  const open = async (): Promise<{ readonly engine: Engine; readonly model: Model }> => {
    const engine = await createEngine(name, { threads, cacheDir });
    const model = openModel(files, engine);
    options.prepare?.(model);
    return { engine, model };
  };
  const [before, opened] = await Promise.allSettled([options.meanwhile(), open()]);
  if (opened.status === "rejected") throw opened.reason;
  const { engine, model } = opened.value;
  try {
    if (before.status === "rejected") throw before.reason;
    return await use(model, before.value);
  } finally {
    await engine.close();
  }
}
