import { Code, RetakeError } from "@retake/errors";
import { type FrameCoupling, type ModelInfo, PassKind } from "@retake/wire/membership";
import type { HostTensor } from "../runtime/engine.js";
import { encodePrompts } from "../tasks/encode-prompts.js";
import type { ModelFiles } from "../tasks/model-files.js";
import type { Model } from "../tasks/open-model.js";
import type { PassDemand } from "../tasks/pass-demands.js";
import { frameCouplingPerPixel, type PassName } from "../tasks/predict-cost.js";
import type { TaskControl } from "../tasks/task-control.js";
import { tuningLayout } from "../tasks/tuned-tensors.js";

/** Embeddings that are kept, of all models together: 240 kB each at SD size. */
const embeddingsMax = 256;

function couplingOf(files: ModelFiles): FrameCoupling {
  const { waits, haloBytes, siteBytesPerFrame } = frameCouplingPerPixel(files);
  return { waits, haloBytesPerPixel: haloBytes, siteBytesPerPixel: siteBytesPerFrame };
}

const passKinds: Partial<Readonly<Record<PassName, PassKind>>> = {
  unet: PassKind.PASS_KIND_UNET,
  "unet-gradients": PassKind.PASS_KIND_GRADIENTS,
  "vae-encode": PassKind.PASS_KIND_ENCODE,
  "vae-decode": PassKind.PASS_KIND_DECODE,
};

function demandMessages(
  demands: readonly PassDemand[],
): Pick<ModelInfo, "passMemory" | "passFlops"> {
  const kinds = demands.map(({ pass, lowMemory, ...demand }) => {
    return { ...demand, kind: passKinds[pass] ?? PassKind.PASS_KIND_UNSPECIFIED, lowMemory };
  });
  return {
    passMemory: kinds.map(({ kind, lowMemory, fixedBytes, bytesPerPixel }) => {
      return { kind, lowMemory, fixedBytes, bytesPerPixel };
    }),
    passFlops: kinds.map(({ kind, lowMemory, flopsPerPixel, flopsPerPixelPair }) => {
      return { kind, lowMemory, flopsPerPixel, flopsPerPixelPair };
    }),
  };
}

/** A model that is served, and what its passes take. */
export interface ServedModel {
  readonly model: Model;
  readonly passDemands: readonly PassDemand[];
}

/** The models that a node serves, on one engine. */
export class ModelShelf {
  readonly #models: ReadonlyMap<string, Model>;
  readonly #served: readonly ServedModel[];
  /** From the least to the most recently used. */
  readonly #embeddings = new Map<string, HostTensor>();
  #last: Model | undefined;

  constructor(served: readonly ServedModel[]) {
    this.#served = served;
    this.#models = new Map(served.map(({ model }) => [model.files.hash, model]));
  }

  get infos(): readonly ModelInfo[] {
    return this.#served.map(({ model: { files }, passDemands }) => ({
      ...{ hash: files.hash, name: files.name, pictureSide: files.pictureSide },
      cardJson: files.card === undefined ? "" : JSON.stringify(files.card),
      timestepCount: files.schedule.timestepCount,
      tunedParameters: tuningLayout(files, "paper").length,
      frameCoupling: couplingOf(files),
      ...demandMessages(passDemands),
    }));
  }

  /** @throws RetakeError  `model-unknown` */
  find(hash: string): Model {
    const model = this.#models.get(hash);
    if (model !== undefined) return model;
    const known = [...this.#models.keys()].map((key) => key.slice(0, 12)).join(", ");
    const message = `model: expected one of ${known}, got ${hash.slice(0, 12)}; join with it`;
    throw new RetakeError(Code.NotFound, "model-unknown", message);
  }

  /**
   * A model to run a task on. What is loaded of the one before is freed: the engine has room for
   * one.
   *
   * @throws RetakeError  `model-unknown`
   */
  async use(hash: string): Promise<Model> {
    const model = this.find(hash);
    if (this.#last !== undefined && this.#last !== model) await this.#last.programs.keepOnly();
    this.#last = model;
    return model;
  }

  /** The embeddings of prompts, in their order; those that were encoded before are kept. */
  async embeddings(
    model: Model,
    prompts: readonly string[],
    control: TaskControl,
  ): Promise<readonly HostTensor[]> {
    const keyOf = (prompt: string): string => `${model.files.hash} ${prompt}`;
    const missing = [...new Set(prompts)].filter((prompt) => !this.#embeddings.has(keyOf(prompt)));
    if (missing.length > 0) {
      const encoded = await encodePrompts(model, missing, { signal: control.signal });
      for (const [i, { embedding, truncated }] of encoded.entries()) {
        const prompt = missing[i] ?? "";
        if (truncated) control.onWarning?.(`prompt: its end does not count: ${prompt.slice(-60)}`);
        this.#embeddings.set(keyOf(prompt), embedding);
      }
    }
    const wanted = prompts.map((prompt) => {
      const embedding = this.#embeddings.get(keyOf(prompt));
      if (embedding === undefined) throw new Error(`prompt: ${prompt} was not encoded`);
      this.#embeddings.delete(keyOf(prompt));
      this.#embeddings.set(keyOf(prompt), embedding);
      return embedding;
    });
    for (const key of this.#embeddings.keys()) {
      if (this.#embeddings.size <= embeddingsMax) break;
      this.#embeddings.delete(key);
    }
    return wanted;
  }
}
