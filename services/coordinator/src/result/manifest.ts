import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../media/atomic-file.js";
import type { Rate } from "../media/rate.js";
import type { PartialSettings } from "../settings/setting-specs.js";
import { type FileDigest, fileDigest } from "./file-digest.js";

export const manifestName = "manifest.json";
export const manifestFormat = "retake-manifest";
export const manifestVersion = 1;

export interface PhaseTime {
  readonly seconds: number;
  /** Whether the result was there from an earlier run. */
  readonly reused: boolean;
}

/** How a cluster made a result. */
export interface ClusterRun {
  readonly edit: string;
  readonly attempt: number;
  /** Nodes, coordinators and stores that were lost and got over. */
  readonly recoveries: number;
  /** Names of all that took part. */
  readonly nodes: readonly string[];
  readonly layouts: readonly {
    readonly phase: string;
    readonly prompt?: number;
    readonly layout: string;
    readonly nodes: readonly string[];
    /** 0: not known. */
    readonly predictedMs: number;
    readonly measuredMs: number;
    readonly reason: string;
  }[];
}

/** How the number of a tuning's steps was chosen. */
export interface StopChoice {
  /** The clip's own sentence must give the clip back, as near as can be. */
  readonly rule: "reconstruction";
  /** What was chosen: the `steps` of the settings. */
  readonly step: number;
  /** So many steps were done. */
  readonly stepsMax: number;
  /** Of the inversion and of the sampling of each look. */
  readonly iterations: number;
  /** After how many steps it was looked at, and the mean squared error of the latents. */
  readonly looks: readonly { readonly step: number; readonly error: number }[];
}

/** What a run was asked for; with the same clip, model and terms it gives the same files. */
export interface ManifestRequest {
  readonly command: "edit" | "tune" | "invert" | "sample";
  readonly source: string | null;
  readonly prompts: readonly string[];
  readonly negative: string;
  /** Every one that the files depend on. */
  readonly settings: PartialSettings;
}

/**
 * Everything that a result says of itself. Only `timings` and `cluster` differ when it is made
 * again, and `stop` is not there: what it chose is among the settings.
 */
export interface Manifest extends ManifestRequest {
  readonly format: typeof manifestFormat;
  readonly version: typeof manifestVersion;
  readonly clip: {
    readonly path: string;
    readonly sha256: string;
    readonly hash: string;
    readonly rate: string;
    readonly startS: number;
    readonly durationS: number;
  };
  readonly model: {
    readonly source: string;
    readonly revision: string | null;
    readonly name: string;
    readonly hash: string;
  };
  /** Files that took the place of a phase, by what they are. */
  readonly given: Readonly<Record<string, string>>;
  /** Two runs with the same one give the same bits. */
  readonly numericsId: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly tuning: Readonly<Record<string, unknown>> | null;
  readonly stop?: StopChoice;
  readonly files: Readonly<Record<string, FileDigest>>;
  readonly timings: Readonly<Record<string, PhaseTime>>;
  /** Where a cluster made it. */
  readonly cluster?: ClusterRun;
}

/** `30000/1001`, as containers have it. */
export function rateText({ numerator, denominator }: Rate): string {
  return `${numerator}/${denominator}`;
}

/** Writes the manifest into a result's folder: it names every other file there by its digest. */
export async function writeManifest(
  workPath: string,
  about: Omit<Manifest, "format" | "version" | "files">,
): Promise<Manifest> {
  const files: Record<string, FileDigest> = {};
  for (const name of (await readdir(workPath)).sort()) {
    files[name] = await fileDigest(join(workPath, name));
  }
  const { timings, cluster, ...rest } = about;
  const format = { format: manifestFormat, version: manifestVersion } as const;
  const manifest = {
    ...format,
    ...rest,
    files,
    timings,
    ...(cluster === undefined ? {} : { cluster }),
  };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  await writeAtomically(join(workPath, manifestName), (temporary) => writeFile(temporary, text));
  return manifest;
}
