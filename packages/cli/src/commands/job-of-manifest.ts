import { resolve } from "node:path";
import { badUsage } from "@retake/coordinator/settings";
import type { Job } from "../pipeline/job.js";
import { readManifest } from "../pipeline/read-manifest.js";
import { defaultOut } from "./job-of-options.js";
import { givenSettings, type RawOptions, snapshotEverySpec, textOption } from "./option-groups.js";

/**
 * The job of a manifest. The command line may say where the clip and the model lie now, and where
 * the result goes; what decides the bits is the manifest's.
 *
 * @throws RetakeError  `bad-option` for a setting beside `--manifest`; what `readManifest` throws
 */
export async function jobOfManifest(
  path: string,
  given: { readonly clip: string | undefined; readonly options: RawOptions },
): Promise<Job> {
  const { options } = given;
  const settings = Object.keys(givenSettings(options));
  for (const name of ["source", "prompt", "negative", "revision", "stop", ...settings]) {
    if (options[name] === undefined && !settings.includes(name)) continue;
    const expected = "no setting beside --manifest, which holds them all";
    throw badUsage(`--${name}`, { expected, got: "one" });
  }
  const manifest = await readManifest(resolve(path));
  const clipPath = given.clip ?? manifest.clip.path;
  const model = textOption(options, "model");
  return {
    ...{ command: "edit", clipPath, source: manifest.source, prompts: manifest.prompts },
    negative: manifest.negative,
    model: {
      source: model ?? manifest.model.source,
      revision: manifest.model.revision,
      offline: options.offline === true,
    },
    given: manifest.settings,
    ...{ deltaPath: undefined, latentsPath: undefined },
    outPath: textOption(options, "out") ?? defaultOut(clipPath),
    useCache: options.cache !== false,
    snapshotEvery: Number(options.snapshotEvery ?? snapshotEverySpec.fallback),
    // Where the number of steps was chosen, the settings hold it.
    stop: "steps",
    resume: options.resume === true,
    dryRun: options.dryRun === true,
    expected: {
      clipSha256: manifest.clip.sha256,
      modelHash: manifest.model.hash,
      numericsId: manifest.numericsId,
    },
  };
}
