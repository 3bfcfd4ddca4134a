import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** A manifest as the tests read it. */
export interface ManifestFile {
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly timings: Readonly<
    Record<string, { readonly seconds: number; readonly reused: boolean }>
  >;
  readonly numericsId: string;
  readonly stop?: {
    readonly rule: string;
    readonly step: number;
    readonly stepsMax: number;
    readonly iterations: number;
    readonly looks: readonly { readonly step: number; readonly error: number }[];
  };
  readonly cluster?: {
    readonly edit: string;
    readonly nodes: readonly string[];
    readonly layouts: readonly {
      readonly nodes: readonly string[];
      readonly measuredMs: number;
      readonly reason: string;
    }[];
  };
}

export async function readManifestFile(folder: string): Promise<ManifestFile> {
  const manifest: ManifestFile = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8"));
  return manifest;
}

/** Everything that must be the same when a result is made again. */
export async function untimed(folder: string): Promise<Readonly<Record<string, unknown>>> {
  const { timings, cluster: _, ...rest } = await readManifestFile(folder);
  if (Object.keys(timings).length === 0) throw new Error("manifest: expected timings");
  return rest;
}
