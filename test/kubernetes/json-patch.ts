export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

interface Operation {
  readonly op: "add" | "remove" | "replace" | "test";
  readonly path: string;
  readonly value?: Json;
}

export const isObject = (json: unknown): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);

/** RFC 7386: null removes, objects merge, all else replaces. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: Record<string, Json | undefined> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/**
 * RFC 6902, without move and copy.
 *
 * @returns undefined where a test fails, or a path is not there
 */
export function jsonPatch(target: Json, operations: readonly Operation[]): Json | undefined {
  let patched: Json | undefined = structuredClone(target);
  for (const operation of operations) {
    const keys = operation.path
      .split("/")
      .slice(1)
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    patched = patchedAt(patched, keys, operation);
    if (patched === undefined) return undefined;
  }
  return patched;
}

function patchedAt(
  target: Json | undefined,
  [key, ...rest]: readonly string[],
  operation: Operation,
): Json | undefined {
  if (key === undefined) return patchedWhole(target, operation);
  if (Array.isArray(target)) return patchedList(target, [key, ...rest], operation);
  if (!isObject(target)) return undefined;
  const isLast = rest.length === 0;
  if (isLast && operation.op === "remove") {
    const { [key]: removed, ...left } = target;
    return removed === undefined ? undefined : left;
  }
  if (isLast && operation.op === "add") return { ...target, [key]: operation.value };
  const value = patchedAt(target[key], rest, operation);
  return value === undefined ? undefined : { ...target, [key]: value };
}

function patchedList(
  target: readonly Json[],
  [key = "", ...rest]: readonly string[],
  operation: Operation,
): Json | undefined {
  const index = key === "-" ? target.length : Number(key);
  const isLast = rest.length === 0;
  if (isLast && operation.op === "add" && index <= target.length) {
    return target.toSpliced(index, 0, operation.value ?? null);
  }
  if (!(index < target.length)) return undefined;
  if (isLast && operation.op === "remove") return target.toSpliced(index, 1);
  const value = patchedAt(target[index], rest, operation);
  return value === undefined ? undefined : target.with(index, value);
}

function patchedWhole(target: Json | undefined, { op, value }: Operation): Json | undefined {
  if (op === "test") {
    return JSON.stringify(target) === JSON.stringify(value) ? target : undefined;
  }
  return op === "replace" && target === undefined ? undefined : value;
}
