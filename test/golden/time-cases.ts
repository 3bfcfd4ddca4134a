import * as diffusion from "@retake/model/diffusion";
import { relativeError } from "./comparison.js";
import { type GoldenContext, measuredRow } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import type { Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";

const group = "modules";
const embeddingPath = "time_embedding";

/** Timesteps as waves, at every width that the file has, and their embedding. */
export async function* timeCases(context: GoldenContext, file: TensorFile): Rows {
  if (!file.has("time/timesteps")) return;
  const { engine, unetConfig: config, unetWeights: weights } = context.model;
  const timesteps = Array.from(await file.values("time/timesteps"));
  for (const name of file.names.filter((each) => /^time\/sinusoid/.test(each))) {
    const channels = file.shape(name)[1] ?? 0;
    const found = diffusion.timestepSinusoid(
      { ...config, blockOutChannels: [channels] },
      timesteps,
    );
    const isOfNetwork = channels === config.blockOutChannels[0];
    const own = isOfNetwork ? [/^sinusoid, width of/] : [];
    yield measuredRow(context, {
      group,
      name,
      quantity: [...own, new RegExp(`^sinusoid, width ${channels}`), /^sinusoid/],
      error: relativeError(found, await file.values(name)),
    });
  }
  if (!file.has("time/embedding")) return;
  const data = diffusion.timestepSinusoid(config, timesteps);
  const shape = [timesteps.length, config.blockOutChannels[0] ?? 0];
  const spec = {
    kind: "module",
    config,
    path: embeddingPath,
    moduleKind: "time-embedding",
    x: shape,
    frames: 1,
  } as const;
  const outputs = await withProgram(engine, { spec, weights }, (run) =>
    run({ x: { shape, data } }),
  );
  yield measuredRow(context, {
    group,
    name: "time/embedding",
    quantity: [/^time embedding/],
    error: relativeError(outputOf(outputs, "out"), await file.values("time/embedding")),
  });
}
