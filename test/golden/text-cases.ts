import { readFloat32 } from "@retake/checkpoint";
import { differingCount, relativeError } from "./comparison.js";
import { type GoldenContext, limitedRow, measuredRow, skippedRow } from "./golden-context.js";
import { outputOf, withProgram } from "./golden-model.js";
import type { Row, Rows } from "./measurement.js";
import type { TensorFile } from "./tensor-file.js";

const group = "text";
const quantity = [/./];

/** The text encoder, on all prompts of `text.safetensors` at once. */
export async function* textCases(context: GoldenContext): Rows {
  const file = await context.folder.tensors(group);
  if (file === undefined) {
    yield skippedRow({ group, name: "all", reason: "there is no text.safetensors" });
    return;
  }
  const { textConfig: config, textWeights: weights, engine, tokenizer } = context.model;
  const ids = Int32Array.from(await file.values("input_ids"));
  const shape = file.shape("input_ids");
  const [batch = 0, promptTokens = 0] = shape;
  const prompts: readonly unknown[] = Array.isArray(file.info.prompts) ? file.info.prompts : [];
  for (const [i, prompt] of prompts.entries()) {
    const reference = ids.slice(i * promptTokens, (i + 1) * promptTokens);
    const error = differingCount(tokenizer.tokenize(String(prompt)).ids, reference);
    yield limitedRow({ group, name: `input_ids.${i}`, quantity: "ids that differ", error });
  }
  const program = { spec: { kind: "text", config, batch } as const, weights };
  const outputs = await withProgram(engine, program, (run) => run({ ids: { shape, data: ids } }));
  const reference = await file.values("last_hidden_state");
  const error = relativeError(outputOf(outputs, "hidden"), reference);
  yield measuredRow(context, { group, name: "last_hidden_state", quantity, error });
  for (const name of file.names.filter((each) => /^embeddings\.\d+$/.test(each))) {
    yield await embeddingRow(context, file, name);
  }
}

/** Token and position embedding, added on the host: shows that the tables are read right. */
async function embeddingRow(context: GoldenContext, file: TensorFile, name: string): Promise<Row> {
  const { textConfig, textWeights } = context.model;
  const tables = ["token_embedding", "position_embedding"].map((table) =>
    textWeights.get(`text_model.embeddings.${table}.weight`),
  );
  const [tokens, positions] = await Promise.all(
    tables.map(async (entry) => (entry === undefined ? new Float32Array() : readFloat32(entry))),
  );
  const reference = await file.values(name);
  const { width } = textConfig;
  const row = Number(name.split(".")[1]);
  const ids = await file.values("input_ids");
  const promptTokens = reference.length / width;
  const found = Float32Array.from(reference, (_, i) => {
    const position = Math.floor(i / width);
    const id = ids[row * promptTokens + position] ?? 0;
    return (tokens?.[id * width + (i % width)] ?? 0) + (positions?.[i] ?? 0);
  });
  const error = relativeError(found, reference);
  return measuredRow(context, { group, name, quantity, error });
}
