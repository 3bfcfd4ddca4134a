import type { HostTensor, HostTensors } from "@retake/gpu-node";
import { type ModuleSpec, unetInputTensors } from "@retake/model";
import { relativeError } from "./comparison.js";
import { type GoldenContext, guarded, measuredRow, skippedRow } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import { jsonObject } from "./json-object.js";
import type { Rows } from "./measurement.js";
import { moduleKindOf } from "./module-kind.js";
import type { TensorFile } from "./tensor-file.js";
import { timeCases } from "./time-cases.js";

const group = "modules";

/** Single modules with the live weights: outputs, and gradients for a stored cotangent. */
export async function* moduleCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  const json = jsonObject((await context.folder.json(group)) ?? file?.info);
  const paths = Object.entries(jsonObject(json.cases ?? json.modules));
  if (file === undefined || paths.length === 0) {
    const reason = "there is no modules.safetensors with a list of modules";
    yield skippedRow({ group, name: "all", reason });
    return;
  }
  const frames = Number(json.f ?? file.info.frames ?? 1);
  for (const [name, path] of paths) {
    const each = { name, path: String(path), frames };
    if (!context.isWanted(name)) continue;
    yield* guarded({ group, name }, moduleRows(context, file, each));
  }
  if (context.isWanted("time")) yield* timeCases(context, file);
}

interface ModuleCase {
  readonly name: string;
  readonly path: string;
  readonly frames: number;
}

async function* moduleRows(context: GoldenContext, file: TensorFile, each: ModuleCase): Rows {
  const { name } = each;
  const spec = moduleSpec(context, file, each);
  if (spec === undefined) {
    yield skippedRow({ group, name, reason: `nobody knows what kind of module ${each.path} is` });
    return;
  }
  const inputs: Record<string, HostTensor> = {};
  for (const input of ["x", "text", "temb", "cotangent"]) {
    if (file.has(`${name}/${input}`)) inputs[input] = await file.tensor(`${name}/${input}`);
  }
  const { engine, unetWeights: weights } = context.model;
  const tensors = tunableBelow(context, each.path);
  const outputs = await withProgram(engine, { spec, weights }, (run) =>
    run({ ...tensors, ...inputs }),
  );
  const compared = file.names.filter((key) =>
    [`${name}/out`, `${name}/grad.`].some((start) => key.startsWith(start)),
  );
  for (const key of compared) {
    const output = key.slice(name.length + 1);
    const isOutput = output === "out";
    yield measuredRow(context, {
      group,
      name: key,
      quantity: [isOutput ? /^module outputs/ : /^module gradients/],
      error: relativeError(outputOf(outputs, output), await file.values(key)),
    });
  }
}

function moduleSpec(
  context: GoldenContext,
  file: TensorFile,
  { name, path, frames }: ModuleCase,
): ModuleSpec | undefined {
  const moduleKind = moduleKindOf(path);
  if (moduleKind === undefined) return undefined;
  const x = file.shape(`${name}/x`);
  const out = file.shape(`${name}/out`);
  const start = `${name}/grad.`;
  const gradients = file.names.flatMap((key) =>
    key.startsWith(start) && key !== `${start}x` ? [key.slice(start.length)] : [],
  );
  const optional = (input: "text" | "temb"): Partial<Record<typeof input, readonly number[]>> =>
    file.has(`${name}/${input}`) ? { [input]: file.shape(`${name}/${input}`) } : {};
  const [height = 0, width = 0] = out.slice(-2);
  const isDoubled = height === 2 * (x.at(-2) ?? 0) && width === 2 * (x.at(-1) ?? 0);
  const needsSize = moduleKind === "upsample" && !isDoubled;
  return {
    kind: "module",
    config: context.model.unetConfig,
    path,
    moduleKind,
    x,
    ...optional("text"),
    ...optional("temb"),
    ...(needsSize ? { size: [height, width] as const } : {}),
    frames: framesOf(x, frames),
    ...(file.has(`${name}/cotangent`) ? { gradients, out } : {}),
  };
}

/** Frames of one clip: those of the file's note, unless the first axis holds fewer. */
function framesOf(x: readonly number[], frames: number): number {
  if (x.length === 5) return x[2] ?? 1;
  const folded = x[0] ?? 1;
  return folded % frames === 0 ? frames : folded;
}

function tunableBelow(context: GoldenContext, path: string): HostTensors {
  const names = unetInputTensors(context.model.unetConfig).map(({ name }) => name);
  const below = names.filter((name) => name.startsWith(`${path}.`));
  const { live } = context.tensors;
  return Object.fromEntries(
    below.flatMap((name) => (live[name] === undefined ? [] : [[name, live[name]] as const])),
  );
}
