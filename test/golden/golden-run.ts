import type { Engine } from "@retake/gpu-node";
import { editCases } from "./edit-cases.js";
import { type GoldenContext, guarded } from "./golden-context.js";
import { openGoldenFolder } from "./golden-folder.js";
import { openGoldenModel } from "./golden-model.js";
import type { Rows } from "./measurement.js";
import { moduleCases } from "./module-cases.js";
import { scheduleCases } from "./schedule-cases.js";
import { sdSizeCases } from "./sd-size-cases.js";
import { textCases } from "./text-cases.js";
import { tokenizerCases } from "./tokenizer-cases.js";
import { tunableTensors } from "./tunable-tensors.js";
import { tuneCases } from "./tune-cases.js";
import { unetCases } from "./unet-cases.js";
import { vaeCases } from "./vae-cases.js";

/** All groups of cases, the quick ones first. */
const groups = {
  schedule: scheduleCases,
  tokenizer: tokenizerCases,
  text: textCases,
  vae: vaeCases,
  modules: moduleCases,
  unet: unetCases,
  tune: tuneCases,
  edit: editCases,
  "sd-size": sdSizeCases,
} as const;
export type GoldenGroup = keyof typeof groups;
export const goldenGroups = Object.keys(groups).filter(isGoldenGroup);

export function isGoldenGroup(name: string): name is GoldenGroup {
  return name in groups;
}

export interface GoldenOptions {
  /** A folder of golden data. */
  readonly dir: string;
  readonly engine: Engine;
  readonly cacheDir: string;
  /** Taken where the golden checkpoint has no tokenizer of its own. */
  readonly tokenizerPath: string;
  readonly groups: readonly GoldenGroup[];
  /** Runs only the cases whose name matches; default all. */
  readonly cases?: RegExp;
}

/** Runs the cases of a golden folder, one row after the other. */
export async function* runGolden(options: GoldenOptions): Rows {
  const folder = await openGoldenFolder(options.dir);
  const model = await openGoldenModel(folder, options);
  const context: GoldenContext = {
    folder,
    model,
    tensors: await tunableTensors(model, folder),
    cacheDir: options.cacheDir,
    isWanted: (name) => options.cases?.test(name) ?? true,
  };
  for (const group of options.groups) {
    yield* guarded({ group, name: "all" }, groups[group](context));
  }
}
