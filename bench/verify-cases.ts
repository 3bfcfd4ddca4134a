import { traceProgram } from "@retake/compile";
import {
  createProgram,
  type ModuleSpec,
  type ProgramSpec,
  type UNetConfig,
  unetInputTensors,
  unetTensors,
} from "@retake/model";
import { trainableTensors } from "@retake/model/tuning";
import { moduleKindOf } from "../test/golden/module-kind.js";

/** A program to run on two engines. */
export interface VerifyCase {
  readonly name: string;
  readonly spec: ProgramSpec;
}

const frames = 3;
const promptTokens = 77;

/** Shapes of a module's arguments at a level of so many channels, in the authors' axes. */
interface Shapes {
  readonly path: string;
  readonly x: readonly number[];
  readonly text?: readonly number[];
  readonly temb?: readonly number[];
}

function moduleShapes({ blockOutChannels, crossAttentionDim }: UNetConfig): readonly Shapes[] {
  const [outer = 0, next = 0] = blockOutChannels;
  const inner = blockOutChannels.at(-1) ?? 0;
  const video = (channels: number, side: number): number[] => [1, channels, frames, side, side];
  const tokens = [frames, 64, outer];
  const text = [frames, promptTokens, crossAttentionDim];
  const once = [1, promptTokens, crossAttentionDim];
  const temb = [1, 4 * outer];
  const attention = "down_blocks.0.attentions.0";
  const block = `${attention}.transformer_blocks.0`;
  return [
    { path: "down_blocks.0.resnets.0.conv1", x: video(outer, 8) },
    { path: "down_blocks.0.downsamplers.0", x: video(outer, 9) },
    { path: "up_blocks.0.upsamplers.0", x: video(inner, 4) },
    { path: "down_blocks.1.resnets.0", x: video(outer, 8), temb },
    { path: "down_blocks.1.resnets.1", x: video(next, 8), temb },
    { path: "down_blocks.0.resnets.0.norm1", x: video(outer, 8) },
    { path: `${attention}.norm`, x: [frames, outer, 8, 8] },
    { path: `${block}.norm1`, x: tokens },
    { path: `${block}.attn1`, x: tokens },
    { path: `${block}.attn2`, x: tokens, text },
    { path: `${block}.ff`, x: tokens },
    { path: `${block}.attn_temp`, x: [64, frames, outer] },
    { path: block, x: tokens, text },
    { path: attention, x: video(outer, 8), text: once },
    { path: "mid_block", x: video(inner, 4), temb, text: once },
    { path: "time_embedding", x: [2, outer] },
  ];
}

/**
 * A module with all its gradients: of its input, and of each of its tensors that can be tuned.
 */
function moduleCase(config: UNetConfig, shapes: Shapes): VerifyCase {
  const { path } = shapes;
  const moduleKind = moduleKindOf(path);
  if (moduleKind === undefined) throw new Error(`there is no kind of module at ${path}`);
  const plain: ModuleSpec = { kind: "module", config, moduleKind, frames, ...shapes };
  const graph = traceProgram(createProgram(plain));
  const out = graph.values[graph.outputs[0]?.value ?? -1]?.shape ?? [];
  const gradients = unetInputTensors(config).flatMap(({ name }) =>
    name.startsWith(`${path}.`) ? [name.slice(path.length + 1)] : [],
  );
  return { name: `${moduleKind} (${path})`, spec: { ...plain, gradients, out } };
}

/** Modules, the whole U-Net, and its gradients with activations kept and computed again. */
export function verifyCases(config: UNetConfig): readonly VerifyCase[] {
  // Large enough that attention has several tokens to choose from at the innermost level.
  const shape = { batch: 1, frames, height: 16, width: 16, promptTokens };
  const trainable = trainableTensors(unetTensors(config), "paper").map(({ name }) => name);
  const gradients = { kind: "unet-gradients", config, shape, trainable } as const;
  return [
    ...moduleShapes(config).map((shapes) => moduleCase(config, shapes)),
    { name: "U-Net", spec: { kind: "unet", config, shape: { ...shape, batch: 2, width: 14 } } },
    { name: "gradients, fast", spec: { ...gradients, memory: "fast" } },
    { name: "gradients, low memory", spec: { ...gradients, memory: "low" } },
  ];
}
