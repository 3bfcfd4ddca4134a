import type { HostTensors } from "@retake/gpu-node";
import type { GoldenFolder } from "./golden-folder.js";
import type { GoldenModel } from "./golden-model.js";
import type { Row, Rows } from "./measurement.js";
import type { TemporalSet } from "./tunable-tensors.js";

/** What the cases of every group are run with. */
export interface GoldenContext {
  readonly folder: GoldenFolder;
  readonly model: GoldenModel;
  readonly tensors: Readonly<Record<TemporalSet, HostTensors>>;
  readonly cacheDir: string;
  /** Whether a case is to be run. */
  readonly isWanted: (name: string) => boolean;
}

/**
 * A row that compares an error with the folder's own tolerance.
 *
 * @param measured.quantity  which row of `tolerance.json`: patterns, the best first
 */
export function measuredRow(
  context: GoldenContext,
  measured: {
    readonly group: string;
    readonly name: string;
    readonly quantity: readonly RegExp[];
    readonly error: number;
    readonly detail?: string;
    /** The group whose tolerances hold, if it is another. */
    readonly toleranceGroup?: string;
  },
): Row {
  const { group, name, quantity, error, detail, toleranceGroup = group } = measured;
  const found = context.folder.tolerance(toleranceGroup, ...quantity);
  if (found === undefined) {
    const reason = `tolerance.json has no row of ${toleranceGroup} like ${quantity.join(" or ")}`;
    return { kind: "skipped", group, name, reason };
  }
  const { tolerance } = found;
  const row = {
    kind: "measured",
    group,
    name,
    quantity: found.quantity,
    error,
    tolerance,
  } as const;
  return detail === undefined ? row : { ...row, detail };
}

/** A row that must agree exactly, or within a limit that no file holds. */
export function limitedRow(limited: {
  readonly group: string;
  readonly name: string;
  readonly quantity: string;
  readonly error: number;
  readonly limit?: number;
  readonly detail?: string;
}): Row {
  const { limit = 0, detail, ...rest } = limited;
  const row = { kind: "measured", ...rest, tolerance: limit } as const;
  return detail === undefined ? row : { ...row, detail };
}

export function skippedRow(skipped: {
  readonly group: string;
  readonly name: string;
  readonly reason: string;
}): Row {
  return { kind: "skipped", ...skipped };
}

/** The rows of a case; a case that throws fails as one row, and the others go on. */
export async function* guarded(
  place: { readonly group: string; readonly name: string },
  rows: Rows,
): Rows {
  try {
    yield* rows;
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    yield limitedRow({ ...place, quantity: "ran", error: Number.POSITIVE_INFINITY, detail });
  }
}
