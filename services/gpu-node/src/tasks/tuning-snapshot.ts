import { openSafetensors, readFloat32, writeSafetensors } from "@retake/checkpoint";
import { Code, RetakeError } from "@retake/errors";
import type { TuningState } from "@retake/model/tuning";

const formatName = "retake-snapshot";
const formatVersion = "1";

/** How far a tuning has come: with the same settings, it goes on from here to the same bits. */
export interface TuningSnapshot {
  readonly state: TuningState;
  readonly journal: TuningJournal;
}

/** What a tuning says of itself, besides its tensors. */
export interface TuningJournal {
  /** Updates done. */
  readonly step: number;
  /** Steps begun: more than `step` where some were abandoned. Names the next draws. */
  readonly attempts: number;
  /** One for each update. */
  readonly losses: readonly number[];
  /** On which terms the numbers were computed; more than one if it went on on another machine. */
  readonly numericsIds: readonly string[];
}

/** Where a snapshot is kept, and of which tuning. */
export interface SnapshotPlace {
  readonly path: string;
  /** Names everything that decides the tuning's numbers. */
  readonly settingsHash: string;
}

/**
 * Writes a snapshot; the name holds the one before until this one is whole.
 *
 * @throws RetakeError  `disk-full`, `output-not-writable`
 */
export async function writeSnapshot(
  { path, settingsHash }: SnapshotPlace,
  { state, journal }: TuningSnapshot,
): Promise<void> {
  const shape = [state.weights.length];
  const tensors = new Map(
    Object.entries(state).map(([name, data]) => [name, { shape, data: data as Float32Array }]),
  );
  const metadata = new Map([
    ["format", formatName],
    ["version", formatVersion],
    ["settings_hash", settingsHash],
    ["journal", JSON.stringify(journal)],
  ]);
  await writeSafetensors(path, tensors, metadata);
}

/**
 * Reads a snapshot of a tuning.
 *
 * @param length  of the flat vector
 * @returns       undefined where there is none
 * @throws RetakeError  `snapshot-mismatch` if it is of another tuning; `file-malformed`, or what
 *                      `openSafetensors` throws
 */
export async function readSnapshot(
  { path, settingsHash }: SnapshotPlace,
  length: number,
): Promise<TuningSnapshot | undefined> {
  const file = await openSafetensors(path).catch((thrown: unknown) => {
    if (thrown instanceof RetakeError && thrown.reason === "file-not-found") return undefined;
    throw thrown;
  });
  if (file === undefined) return undefined;
  const { metadata, entries } = file;
  const isOurs = metadata.get("format") === formatName && metadata.get("version") === formatVersion;
  if (!isOurs || metadata.get("settings_hash") !== settingsHash) {
    const got = isOurs ? "one of other settings, another clip or another model" : "another file";
    const message = `${path}: expected a snapshot of this tuning, got ${got}; start without it`;
    throw new RetakeError(Code.FailedPrecondition, "snapshot-mismatch", message);
  }
  const values = async (name: string): Promise<Float32Array> => {
    const entry = entries.get(name);
    const data = entry === undefined ? undefined : await readFloat32(entry);
    if (data?.length === length) return data;
    throw malformed(path, `${length} values of ${name}, got ${data?.length ?? "none"}`);
  };
  const state = {
    weights: await values("weights"),
    firstMoment: await values("firstMoment"),
    secondMoment: await values("secondMoment"),
  };
  return { state, journal: decodeJournal(metadata.get("journal") ?? "", path) };
}

function decodeJournal(text: string, path: string): TuningJournal {
  const { step, attempts, losses, numericsIds } = decodeFields(text, path);
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count);
  const isList = <Item>(list: unknown, kind: string): list is Item[] =>
    Array.isArray(list) && list.every((item) => typeof item === kind);
  if (
    !(isCount(step) && isCount(attempts) && attempts >= step && step >= 0) ||
    !(isList<number>(losses, "number") && isList<string>(numericsIds, "string"))
  ) {
    throw malformed(path, "a journal with step, attempts, losses and numericsIds");
  }
  return { step, attempts, losses, numericsIds };
}

function decodeFields(text: string, path: string): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch (thrown) {
    throw malformed(path, "a journal in JSON", thrown);
  }
}

function malformed(path: string, expected: string, cause?: unknown): RetakeError {
  const message = `${path}: expected ${expected}; remove the file to start anew`;
  return new RetakeError(Code.InvalidArgument, "file-malformed", message, { cause });
}
