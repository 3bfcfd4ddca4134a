import { join, resolve } from "node:path";
import { rootDir } from "./places.js";

/** Where the authors' code and what runs it lie; none of it is part of this repository. */
export interface PeerPlaces {
  readonly python: string;
  readonly repo: string;
  readonly scripts: string;
}

/** The options of every bench that compares with the authors' code. */
export const peerOptions = {
  "peer-python": { type: "string" },
  "peer-repo": { type: "string" },
  "peer-scripts": { type: "string", default: join(rootDir, "../shared/peer") },
} as const;

export const peerUsage = `  --peer-python PYTHON  of an environment with torch and diffusers 0.11.1
  --peer-repo CHECKOUT  of showlab/Tune-A-Video
  --peer-scripts DIR    where time_official*.py lie (default ../shared/peer)`;

/** @throws Error  if the places were not given */
export function peerPlaces(values: {
  readonly "peer-python"?: string;
  readonly "peer-repo"?: string;
  readonly "peer-scripts": string;
}): PeerPlaces {
  const { "peer-python": python, "peer-repo": repo, "peer-scripts": scripts } = values;
  if (python === undefined || repo === undefined) {
    throw new Error("expected --peer-python and --peer-repo");
  }
  return { python: resolve(python), repo: resolve(repo), scripts: resolve(scripts) };
}

/** The command that runs one of the peer's scripts. */
export function peerCommand(
  { python, repo, scripts }: PeerPlaces,
  script: { readonly name: string; readonly args: readonly string[] },
): string[] {
  return [python, join(scripts, script.name), "--repo", repo, ...script.args];
}
