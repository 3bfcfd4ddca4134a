import { malformed } from "../files/file-errors.js";
import { openSafetensors, type WeightLocations, weightsOf } from "../safetensors/read.js";
import { type TensorValues, writeSafetensors } from "../safetensors/write.js";
import { verifyTensors } from "../weights/verify.js";

const formatName = "retake-delta";
const formatVersion = "1";

/** What a delta says of itself: enough to make it again. */
export interface DeltaHeader {
  /** `hash` of the checkpoint that was tuned. */
  readonly baseHash: string;
  /** Hash of the clip that it was tuned on. */
  readonly clipHash: string;
  /** What the clip shows, first; then, if any, what the edits should show. */
  readonly prompts: readonly string[];
  readonly seed: number;
  /** Optimiser updates done. */
  readonly step: number;
  /** Which tensors are trained. */
  readonly mode: "paper" | "reference";
  /** Every other setting of the tuning, as JSON. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface Delta {
  /** Absolute real path. */
  readonly path: string;
  readonly header: DeltaHeader;
  readonly tensors: WeightLocations;
}

/**
 * Writes the tuned tensors with their header: one safetensors file, the same bytes for the same
 * content.
 *
 * @throws RetakeError  `output-not-writable`, `disk-full`
 */
export async function writeDelta(
  path: string,
  delta: {
    readonly tensors: ReadonlyMap<string, TensorValues>;
    readonly header: DeltaHeader;
  },
): Promise<void> {
  const { header } = delta;
  const metadata = new Map([
    ["format", formatName],
    ["version", formatVersion],
    ["base_hash", header.baseHash],
    ["clip_hash", header.clipHash],
    ["prompts", JSON.stringify(header.prompts)],
    ["seed", String(header.seed)],
    ["step", String(header.step)],
    ["mode", header.mode],
    ["settings", JSON.stringify(header.settings)],
  ]);
  await writeSafetensors(path, delta.tensors, metadata);
}

/**
 * Opens a delta; its tensors stay in the file.
 *
 * @throws RetakeError  `file-malformed` if it is a safetensors file without a delta's header, or of
 *                      a later version; and what `openSafetensors` throws
 */
export async function readDelta(path: string): Promise<Delta> {
  const file = await openSafetensors(path);
  const text = (key: string): string => {
    const value = file.metadata.get(key);
    if (value !== undefined) return value;
    throw malformed(`${path}: expected a delta with \`${key}\` in its header, got none`);
  };
  if (text("format") !== formatName || text("version") !== formatVersion) {
    const got = `${text("format")} ${text("version")}`;
    throw malformed(`${path}: expected ${formatName} ${formatVersion}, got ${got}; update Retake`);
  }
  const header = {
    baseHash: text("base_hash"),
    clipHash: text("clip_hash"),
    prompts: decodePrompts(text("prompts"), path),
    seed: decodeInteger(text("seed"), `${path}: seed`),
    step: decodeInteger(text("step"), `${path}: step`),
    mode: decodeMode(text("mode"), path),
    settings: decodeSettings(text("settings"), path),
  };
  return { path: file.path, header, tensors: weightsOf(file.entries) };
}

export type DeltaFit =
  | { readonly sameBase: true }
  | { readonly sameBase: false; readonly warning: string };

/**
 * Whether a delta can be applied to a base. To another base of the same shapes it can: the result
 * is a guess, and the warning says so.
 *
 * @param base.hash      the checkpoint's `hash`
 * @param base.expected  name to shape, of the tensors that the delta's mode trains in this base
 * @throws RetakeError  `tensor-missing`, `tensor-surplus`, `tensor-shape` for a base of other
 *                      shapes
 */
export function checkDelta(
  delta: Pick<Delta, "path" | "header" | "tensors">,
  base: { readonly hash: string; readonly expected: ReadonlyMap<string, readonly number[]> },
): DeltaFit {
  verifyTensors(delta.tensors, base.expected, { subject: delta.path });
  if (delta.header.baseHash === base.hash) return { sameBase: true };
  const [tuned, given] = [delta.header.baseHash.slice(0, 12), base.hash.slice(0, 12)];
  const bases = `tuned on another base: expected ${tuned}, got ${given}`;
  const outcome = "the shapes fit, so it is applied, but the result is not what was tuned";
  return { sameBase: false, warning: `${delta.path}: ${bases}; ${outcome}` };
}

function decodeJson(text: string, label: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw malformed(`${label}: expected JSON`, thrown);
  }
}

function decodePrompts(text: string, path: string): readonly string[] {
  const value = decodeJson(text, `${path}: prompts`);
  const isTexts = (items: readonly unknown[]): items is readonly string[] =>
    items.every((item) => typeof item === "string");
  if (Array.isArray(value) && isTexts(value)) return value;
  throw malformed(`${path}: prompts: expected an array of strings`);
}

function decodeInteger(text: string, label: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw malformed(`${label}: expected a whole number, got ${JSON.stringify(text)}`);
}

function decodeMode(text: string, path: string): DeltaHeader["mode"] {
  if (text === "paper" || text === "reference") return text;
  throw malformed(`${path}: mode: expected paper or reference, got ${JSON.stringify(text)}`);
}

function decodeSettings(text: string, path: string): Readonly<Record<string, unknown>> {
  const value = decodeJson(text, `${path}: settings`);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw malformed(`${path}: settings: expected an object`);
}
