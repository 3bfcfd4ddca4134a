import { access } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensors, readFloat32, writeSafetensors } from "@retake/checkpoint";
import { type PhaseName, phaseHash, phaseNames, type Recipe } from "./recipe.js";
import type { SavedVectors } from "./training-vectors.js";

/** What was measured on pictures that are not trained on, after so many steps. */
export interface Validation {
  readonly step: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** How far a phase has come: it goes on from here to the same bits. */
export interface PhaseState {
  /** Steps done. */
  readonly step: number;
  readonly vectors: SavedVectors;
  /** One per step. */
  readonly losses: readonly number[];
  readonly validations: readonly Validation[];
}

const version = "1";

/** Where states lie, one file per phase and its hash; those of several recipes may lie together. */
export interface StateFolder {
  readonly folder: string;
  readonly recipe: Recipe;
}

const pathOf = ({ folder, recipe }: StateFolder, phase: PhaseName): string => {
  const number = phaseNames.indexOf(phase);
  return join(folder, `${number}-${phase}-${phaseHash(recipe, phase)}.safetensors`);
};

/** Writes a state; the name holds the one before until this one is whole. */
export async function writeState(
  at: StateFolder,
  phase: PhaseName,
  state: PhaseState,
): Promise<void> {
  const tensors = Object.entries(state.vectors).map(
    ([name, data]) => [name, { shape: [data.length], data: data as Float32Array }] as const,
  );
  const losses = Float32Array.from(state.losses);
  const metadata = new Map([
    ["recipe", phaseHash(at.recipe, phase)],
    ["version", version],
    ["step", String(state.step)],
    ["validations", JSON.stringify(state.validations)],
  ]);
  const all = new Map([...tensors, ["losses", { shape: [losses.length], data: losses }] as const]);
  await writeSafetensors(pathOf(at, phase), all, metadata);
}

/**
 * The state of a phase; undefined where it has not begun.
 *
 * @throws Error  if the file is of another recipe
 */
export async function readState(
  at: StateFolder,
  phase: PhaseName,
): Promise<PhaseState | undefined> {
  const path = pathOf(at, phase);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  const { entries, metadata } = await openSafetensors(path);
  const expected = phaseHash(at.recipe, phase);
  if (metadata.get("recipe") !== expected || metadata.get("version") !== version) {
    const got = metadata.get("recipe");
    throw new Error(`${path}: expected a state of recipe ${expected}, got ${got}; move it away`);
  }
  const values = async (name: string): Promise<Float32Array> => {
    const entry = entries.get(name);
    if (entry === undefined) throw new Error(`${path}: expected a tensor ${name}`);
    return readFloat32(entry);
  };
  return {
    step: Number(metadata.get("step")),
    losses: [...(await values("losses"))],
    validations: JSON.parse(metadata.get("validations") ?? "[]"),
    vectors: {
      weights: await values("weights"),
      average: await values("average"),
      firstMoment: await values("firstMoment"),
      secondMoment: await values("secondMoment"),
    },
  };
}
