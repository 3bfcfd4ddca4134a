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
 * again.
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
