import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  cost,
  cutSegments,
  frameCoupling,
  type Graph,
  tileConvolutions,
  traceProgram,
} from "@retake/compile";
import { compiledGraph } from "@retake/gpu-node/compiled-graph";
import {
  createProgram,
  type ProgramSpec,
  parseUNetConfig,
  parseVaeConfig,
  unetTensors,
} from "@retake/model";
import { equalParts, type FrameShard } from "@retake/model/frames";
import { trainableTensors } from "@retake/model/tuning";
import { jsonObject } from "../../test/golden/json-object.js";
import { tinyCheckpoint } from "../places.js";
import { sdSizes } from "../sd-size.js";
import type { RankProgram } from "./frame-passes.js";

/** Of a clip as the paper's: 24 frames of 512x512 pixels. */
export const clip = { frames: 24, pixelsPerFrame: 512 * 512, latentSide: 64 } as const;
const promptTokens = 77;
const valueBytes = 4;
const pixelBytes = 3;
const latentChannels = 4;

function configOf(part: "unet" | "vae") {
  const text = readFileSync(join(tinyCheckpoint, part, "config.json"), "utf8");
  return { ...jsonObject(JSON.parse(text)), ...sdSizes[part] };
}

const unetConfig = parseUNetConfig(configOf("unet"));
const vaeConfig = parseVaeConfig(configOf("vae"));
const { latentSide: side } = clip;
const shape = { batch: 1, frames: clip.frames, height: side, width: side, promptTokens };

const unet = { kind: "unet", config: unetConfig, shape } as const;
const shardOf = (shard: FrameShard): Graph => traceProgram(createProgram({ ...unet, shard }));
const flopsOf = (spec: ProgramSpec): number => cost(compiledGraph(spec)).flops;

/** Floating-point operations of each pass of an edit, counted over the graph that a node runs. */
export function passFlops() {
  const tensors = trainableTensors(unetTensors(unetConfig), "paper");
  const trainable = tensors.map(({ name }) => name).sort();
  const tuning = { kind: "unet-gradients", trainable, memory: "low" } as const;
  const [height, width] = [8 * side, 8 * side];
  const vae = { config: vaeConfig, frames: 1 };
  return {
    unet: flopsOf(unet),
    gradients: flopsOf({ ...unet, ...tuning }),
    encode: flopsOf({ kind: "vae-encode", ...vae, height, width }),
    decode: flopsOf({ kind: "vae-decode", ...vae, height: side, width: side }),
    tunedParameters: tensors.reduce(
      (sum, tensor) => sum + tensor.shape.reduce((product, size) => product * size, 1),
      0,
    ),
  };
}

/** What nodes say at their join that share frames: for each pixel of a frame. */
export function couplingPerPixel() {
  const graph = shardOf({ rank: 1, frameCounts: equalParts(clip.frames, { parts: 2 }) });
  const { waits, haloBytes, siteBytesPerFrame } = frameCoupling(graph);
  return {
    waits,
    haloBytesPerPixel: haloBytes / clip.pixelsPerFrame,
    siteBytesPerPixel: siteBytesPerFrame / clip.pixelsPerFrame,
  };
}

/** What each of some ranks computes and sends in a pass, by the plan that the engine runs. */
export function rankPrograms(rankCount: number): readonly RankProgram[] {
  const frameCounts = equalParts(clip.frames, { parts: rankCount });
  return frameCounts.map((_, rank) => {
    const { segments } = cutSegments(shardOf({ rank, frameCounts }));
    return {
      flops: segments.map(({ graph }) =>
        graph.nodes.length === 0 ? 0 : cost(tileConvolutions(graph)).flops,
      ),
      sends: segments.map(
        ({ exchange }) =>
          exchange?.sends.map((parts) =>
            parts.reduce((sum, { count, length }) => sum + valueBytes * count * length, 0),
          ) ?? [],
      ),
    };
  });
}

const latentFrameBytes = valueBytes * latentChannels * side * side;

/** Bytes that an edit moves besides what is exchanged within a pass or a step. */
export const editBytes = {
  latents: clip.frames * latentFrameBytes,
  /** Mean and variance. */
  momentsPerFrame: 2 * latentFrameBytes,
  pixelsPerFrame: pixelBytes * clip.pixelsPerFrame,
} as const;
