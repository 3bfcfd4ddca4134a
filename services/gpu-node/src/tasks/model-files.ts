import {
  asFloat32,
  type Checkpoint,
  createTokenizer,
  type HubProgress,
  openCheckpoint,
  type Tokenizer,
  verifyFinite,
  verifyTensors,
} from "@retake/checkpoint";
import { Code, RetakeError } from "@retake/errors";
import {
  parseTextConfig,
  parseUNetConfig,
  parseVaeConfig,
  type TextConfig,
  textTensors,
  type UNetConfig,
  unetCheckpointTensors,
  type VaeConfig,
  vaeFactor,
  vaeTensors,
} from "@retake/model";
import { noiseSchedule, parseScheduleConfig, type Schedule } from "@retake/model/diffusion";
import type { WeightLocations } from "../runtime/engine.js";

/** A checkpoint that has been read and found whole; nothing of it runs yet. */
export interface ModelFiles {
  readonly name: string;
  /** SHA-256 over the content of all files that the model consists of. */
  readonly hash: string;
  /** Absolute real path. */
  readonly root: string;
  /** The checkpoint's `retake.json`: settings that suit it; whoever uses a value decodes it. */
  readonly card: Readonly<Record<string, unknown>> | undefined;
  readonly unetConfig: UNetConfig;
  readonly vaeConfig: VaeConfig;
  readonly textConfig: TextConfig;
  readonly schedule: Schedule;
  readonly tokenizer: Tokenizer;
  /** In float32, each kind in one folder. */
  readonly weights: Readonly<Record<ModelPart, WeightLocations>>;
  /** By how much the VAE shrinks height and width. */
  readonly latentFactor: number;
  /** Pixels along the side of the square pictures that the model was made for. */
  readonly pictureSide: number;
}

export type ModelPart = "unet" | "vae" | "text";

export interface ModelSource {
  /** A folder in the diffusers layout, or `owner/name` on the hub. */
  readonly source: string;
  readonly cacheDir: string;
  readonly revision?: string | undefined;
  /** For gated models on the hub. */
  readonly token?: string | undefined;
  readonly offline?: boolean | undefined;
  readonly onDownload?: ((progress: HubProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Latent cells along the side of a picture, where the config does not say. */
const pictureCells = 64;

/**
 * Opens a checkpoint and checks it: the configs are ones that the network can be built from, and
 * the weights are exactly the network's, in the right shapes, and all finite.
 *
 * @throws RetakeError  what `openCheckpoint` throws; `config-unsupported`, `tensor-missing`,
 *                      `tensor-surplus`, `tensor-shape`, `tensor-not-finite`
 */
export async function openModelFiles(options: ModelSource): Promise<ModelFiles> {
  const { source, cacheDir, signal } = options;
  const cache = signal === undefined ? { cacheDir } : { cacheDir, signal };
  const checkpoint = await openCheckpoint(source, { ...cache, ...hubOptions(options) });
  const { configs, name } = checkpoint;
  const unetConfig = parseUNetConfig(configs.unet);
  const vaeConfig = parseVaeConfig(configs.vae);
  const textConfig = parseTextConfig(configs.textEncoder);
  const schedule = noiseSchedule(parseScheduleConfig(configs.scheduler));
  const expected = {
    unet: unetCheckpointTensors(unetConfig),
    vae: vaeTensors(vaeConfig),
    text: textTensors(textConfig),
  };
  const stored = {
    unet: checkpoint.weights.unet,
    vae: checkpoint.weights.vae,
    text: checkpoint.weights.textEncoder,
  };
  for (const part of ["unet", "vae", "text"] as const) {
    const shapes = new Map(expected[part].map((tensor) => [tensor.name, tensor.shape]));
    verifyTensors(stored[part], shapes, { subject: `${part} of ${name}` });
    await verifyFinite(stored[part], cache);
  }
  const tokenizer = await createTokenizer(checkpoint.tokenizerFolder);
  assertTokensFit(checkpoint, tokenizer, textConfig);
  return {
    ...{ name, hash: checkpoint.hash, root: checkpoint.root, card: checkpoint.card },
    ...{ unetConfig, vaeConfig, textConfig, schedule, tokenizer },
    weights: {
      unet: await asFloat32(stored.unet, cache),
      vae: await asFloat32(stored.vae, cache),
      text: await asFloat32(stored.text, cache),
    },
    latentFactor: vaeFactor(vaeConfig),
    pictureSide: pictureSide(configs.unet.sample_size, vaeConfig),
  };
}

function hubOptions(options: ModelSource): {
  revision?: string;
  token?: string;
  offline?: boolean;
  onProgress?: (progress: HubProgress) => void;
} {
  const { revision, token, offline, onDownload } = options;
  return {
    ...(revision === undefined ? {} : { revision }),
    ...(token === undefined ? {} : { token }),
    ...(offline === undefined ? {} : { offline }),
    ...(onDownload === undefined ? {} : { onProgress: onDownload }),
  };
}

function assertTokensFit(checkpoint: Checkpoint, tokenizer: Tokenizer, config: TextConfig): void {
  if (tokenizer.tokensMax === config.promptTokens) return;
  const message =
    `${checkpoint.tokenizerFolder}: expected ${config.promptTokens} tokens a prompt, as the text ` +
    `encoder has, got ${tokenizer.tokensMax}; set model_max_length in tokenizer_config.json`;
  throw new RetakeError(Code.InvalidArgument, "config-unsupported", message);
}

function pictureSide(sampleSize: unknown, config: VaeConfig): number {
  const isCount = typeof sampleSize === "number" && Number.isInteger(sampleSize) && sampleSize > 0;
  return (isCount ? sampleSize : pictureCells) * vaeFactor(config);
}
