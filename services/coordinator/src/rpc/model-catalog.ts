import { Code, RetakeError } from "@retake/errors";
import type { ModelInfo } from "@retake/wire/membership";
import { cardSettings } from "../settings/chosen-settings.js";
import type { PartialSettings } from "../settings/setting-specs.js";

const modelsMax = 1_000;

/** The models that nodes have said to serve, also those whose nodes are away. */
export class ModelCatalog {
  readonly #models = new Map<string, ModelInfo>();

  add(models: readonly ModelInfo[]): void {
    for (const model of models) {
      this.#models.delete(model.hash);
      this.#models.set(model.hash, model);
    }
    for (const hash of this.#models.keys()) {
      if (this.#models.size <= modelsMax) break;
      this.#models.delete(hash);
    }
  }

  /**
   * @param named  hash, name, or nothing where there is only one
   * @throws RetakeError  `model-unknown`: a node that serves it may come
   */
  find(named: string): ModelInfo {
    const models = [...this.#models.values()];
    const found = models.filter(({ hash, name }) => hash === named || name === named);
    const [first] = named === "" ? models : found;
    const isOne = named === "" ? models.length === 1 : found.length >= 1;
    if (first !== undefined && isOne) return first;
    const known = models.map(({ name, hash }) => `${name} (${hash.slice(0, 12)})`).join(", ");
    const served = known === "" ? "none: no node has joined yet" : known;
    const got = named === "" ? "no name" : JSON.stringify(named);
    const message = `model: expected one that nodes serve, ${served}; got ${got}`;
    throw new RetakeError(Code.NotFound, "model-unknown", message);
  }
}

/** What the model's card says suits it best. */
export function settingsOfCard({ cardJson, name }: ModelInfo): PartialSettings {
  if (cardJson === "") return {};
  const label = `card of model ${name}`;
  let card: unknown;
  try {
    card = JSON.parse(cardJson);
  } catch (thrown) {
    const message = `${label}: expected JSON, got something else; mend its retake.json`;
    throw new RetakeError(Code.InvalidArgument, "file-malformed", message, { cause: thrown });
  }
  return cardSettings(Object(card), label);
}
