import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root: benches run from `dist/bench`. */
export const rootDir = fileURLToPath(new URL("../../", import.meta.url));
/** Compiled programs, hashes, and weights that are made by a rule. */
export const cacheDir = join(rootDir, ".cache");
/** A checkpoint that is complete and small. */
export const tinyCheckpoint = join(rootDir, "test/golden/data/tiny-sd");
/** The command line, as npm links it. */
export const retakeProgram = join(rootDir, "packages/cli/bin/retake.js");
/** Where `--record` writes to. */
export const resultsFile = join(rootDir, "bench/RESULTS.md");
