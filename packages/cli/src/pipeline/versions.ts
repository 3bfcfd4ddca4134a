import { readFileSync } from "node:fs";
import { findPrograms } from "@retake/coordinator";
import { engineVersions } from "@retake/gpu-node";

/** Retake's own version. */
export function retakeVersion(): string {
  const path = new URL("../../package.json", import.meta.url);
  const { version = "0" }: { version?: string } = JSON.parse(readFileSync(path, "utf8"));
  return version;
}

/** The versions that a result may depend on. */
export async function runVersions(): Promise<Readonly<Record<string, string>>> {
  const { ffmpeg } = await findPrograms();
  return {
    retake: retakeVersion(),
    node: process.versions.node,
    ...engineVersions(),
    ffmpeg: ffmpeg.found ? ffmpeg.version : "none",
    platform: `${process.platform}-${process.arch}`,
  };
}
