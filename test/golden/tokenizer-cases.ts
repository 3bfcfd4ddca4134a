import { differingCount } from "./comparison.js";
import { type GoldenContext, limitedRow, skippedRow } from "./golden-context.js";
import { jsonNumbers, jsonObject } from "./json-object.js";
import type { Rows } from "./measurement.js";

const group = "tokenizer";
const shownMax = 40;

/** Every prompt of `tokenizer.json`, by its ids, their number, and whether any were cut off. */
export async function* tokenizerCases(context: GoldenContext): Rows {
  const { cases } = jsonObject(await context.folder.json(group));
  if (!Array.isArray(cases)) {
    yield skippedRow({ group, name: "all", reason: "there is no tokenizer.json with cases" });
    return;
  }
  for (const each of cases.map(jsonObject)) {
    const text = String(each.text);
    const name = JSON.stringify(text).slice(0, shownMax);
    if (!context.isWanted(name)) continue;
    const { ids, length, truncated } = context.model.tokenizer.tokenize(text);
    const surplus = Number(length !== (each.length ?? length));
    const cut = Number(truncated !== (each.truncated ?? truncated));
    const error = differingCount(ids, jsonNumbers(each.ids)) + surplus + cut;
    yield limitedRow({ group, name, quantity: "ids that differ", error });
  }
}
