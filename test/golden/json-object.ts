export type JsonObject = Readonly<Record<string, unknown>>;

/** A JSON object; what is none is taken as an empty one, so that its cases are skipped. */
export function jsonObject(value: unknown): JsonObject {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? { ...value } : {};
}

/** A list of numbers; what is none is an empty one. */
export function jsonNumbers(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

/** A list of texts; what is none is an empty one. */
export function jsonTexts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
