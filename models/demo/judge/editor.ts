import {
  type ClipMoments,
  type ClipPixels,
  createEngine,
  decodeLatents,
  type Engine,
  encodeClip,
  encodePrompts,
  type HostTensor,
  type HostTensors,
  invert,
  type Model,
  type ModelFiles,
  meanLatents,
  openModel,
  openModelFiles,
  sample,
  startTensors,
  type TensorSource,
  tune,
} from "@retake/gpu-node";
import { Purpose, randomNormals } from "@retake/model/random";
import type { Method, Tuning } from "./methods.js";

/** A network before or after tuning: what inversion and sampling run on. */
export type Network = TensorSource;

/** A clip as the model has it. */
export interface EncodedClip {
  readonly moments: ClipMoments;
  readonly latents: HostTensor;
}

/**
 * The product's own tasks on one checkpoint, kept loaded from clip to clip: each kind of task has
 * its own set of programs, since a task frees those that it does not need.
 */
export class Editor {
  readonly files: ModelFiles;
  readonly numericsId: string;
  readonly #engine: Engine;
  readonly #models: Readonly<Record<"text" | "encode" | "tune" | "unet" | "decode", Model>>;
  readonly #prompts = new Map<string, HostTensor>();

  private constructor(files: ModelFiles, engine: Engine) {
    this.files = files;
    this.#engine = engine;
    this.numericsId = engine.numericsId;
    const open = (): Model => openModel(files, engine);
    this.#models = { text: open(), encode: open(), tune: open(), unet: open(), decode: open() };
  }

  static async open(
    source: string,
    options: { readonly cacheDir: string; readonly threads: number },
  ): Promise<Editor> {
    const files = await openModelFiles({ source, cacheDir: options.cacheDir });
    return new Editor(files, await createEngine("onnx-cpu", options));
  }

  async encode(clip: ClipPixels): Promise<EncodedClip> {
    const moments = await encodeClip(this.#models.encode, clip);
    return { moments, latents: meanLatents(this.#models.encode, moments) };
  }

  decode(latents: HostTensor): Promise<ClipPixels> {
    return decodeLatents(this.#models.decode, { latents });
  }

  /** The network as it is before any tuning. */
  untuned(start: Parameters<typeof startTensors>[1]): Network {
    return () => startTensors(this.files, start);
  }

  /**
   * Tunes on a clip.
   *
   * @param request.atSteps  after how many updates the network is wanted; 0 is the untuned one
   * @returns                the network after each of them
   */
  async tune(request: {
    readonly clip: EncodedClip;
    readonly caption: string;
    readonly tuning: Tuning;
    readonly seed: number;
    readonly atSteps: readonly number[];
  }): Promise<ReadonlyMap<number, Network>> {
    const { clip, caption, tuning, seed, atSteps } = request;
    const { mode, rate, draws, temporalStart } = tuning;
    const start = this.untuned({ seed, temporalStart });
    const networks = new Map<number, Network>(atSteps.includes(0) ? [[0, start]] : []);
    const steps = Math.max(...atSteps);
    if (steps === 0) return networks;
    await tune(this.#models.tune, {
      ...{ moments: clip.moments, prompt: await this.#prompt(caption), tensors: await start() },
      settings: { steps, learningRate: rate, drawsPerStep: draws, seed, mode, memory: "fast" },
      previews: {
        atSteps: atSteps.filter((step) => step > 0),
        onPreview: ({ tensors, journal }) =>
          void networks.set(journal.step, async () => ({
            ...(await start()),
            ...copiesOf(tensors),
          })),
      },
    });
    return networks;
  }

  /** Where sampling starts: the clip's own noise, or any. */
  async startLatents(
    { start, strength, ddim }: Pick<Method, "start" | "strength" | "ddim">,
    from: { readonly clip: EncodedClip; readonly network: Network; readonly seed: number },
  ): Promise<HostTensor> {
    const { clip, network, seed } = from;
    if (start === "random") return noiseLatents(clip.latents.shape, seed);
    return invert(this.#models.unet, {
      ...{ latents: clip.latents, emptyPrompt: await this.#prompt("") },
      ...{ tensors: network, samplingCount: ddim, strength },
    });
  }

  async sample(
    prompt: string,
    { strength, guidance, ddim }: Pick<Method, "strength" | "guidance" | "ddim">,
    from: { readonly latents: HostTensor; readonly network: Network },
  ): Promise<HostTensor> {
    return sample(this.#models.unet, {
      ...{ latents: from.latents, tensors: from.network },
      ...{ prompt: await this.#prompt(prompt), without: await this.#prompt("") },
      ...{ samplingCount: ddim, guidanceScale: guidance, strength },
    });
  }

  async #prompt(sentence: string): Promise<HostTensor> {
    const known = this.#prompts.get(sentence);
    if (known !== undefined) return known;
    const [encoded] = await encodePrompts(this.#models.text, [sentence]);
    if (encoded === undefined) throw new Error(`prompt "${sentence}": expected an encoding`);
    this.#prompts.set(sentence, encoded.embedding);
    return encoded.embedding;
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

/** Where sampling without a clip starts. `[1, channels, frames, height, width]`. */
export function noiseLatents(shape: readonly number[], seed: number): HostTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  const stream = { seed, purpose: Purpose.StartNoise, position: [0, 0] } as const;
  return { shape, data: randomNormals(stream, count) };
}

const copiesOf = (tensors: HostTensors): HostTensors =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
