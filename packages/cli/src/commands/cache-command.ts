import { badUsage } from "@retake/coordinator/settings";
import type { Command } from "commander";
import type { CacheEntry } from "../cache/cache-entries.js";
import { cacheFolder } from "../cache/cache-folder.js";
import type { Environment } from "../environment.js";
import { aligned } from "../text/aligned.js";
import { ageOfText, bytesOfText, byteText } from "../text/byte-text.js";
import { durationText } from "../text/duration-text.js";
import type { RawOptions } from "./option-groups.js";

/** Adds `cache list` and `cache prune`. */
export function addCacheCommand(program: Command, environment: Environment): void {
  const cache = program.command("cache").description("list or prune what earlier runs have kept");
  cache
    .command("list")
    .description("what is there, how large and how old")
    .option("--json", "as JSON on stdout, every entry")
    .action((options: RawOptions) => list(options, environment));
  cache
    .command("prune")
    .description("remove what was not used lately")
    .option("--older <age>", "what was not used for so long: 12h, 30d", (text) =>
      ageOfText(text, { label: "--older" }),
    )
    .option("--max-size <size>", "what is beyond so much, oldest first: 500M, 10G", (text) =>
      bytesOfText(text, { label: "--max-size" }),
    )
    .option("--all", "everything")
    .option("--dry-run", "only say what would go")
    .option("--json", "as JSON on stdout")
    .action((options: RawOptions) => prune(options, environment));
}

async function list(options: RawOptions, environment: Environment): Promise<void> {
  const { cacheEntries, cacheGroups } = await import("../cache/cache-entries.js");
  const folder = cacheFolder(environment.env);
  const entries = await cacheEntries(folder);
  const bytes = total(entries);
  if (options.json === true) {
    environment.writeOut(`${JSON.stringify({ folder, bytes, entries })}\n`);
    return;
  }
  const rows = Object.entries(cacheGroups).flatMap(([group, meaning]) => {
    const inGroup = entries.filter((entry) => entry.group === group);
    if (inGroup.length === 0) return [];
    const used = inGroup.map(({ usedMs }) => environment.nowMs() - usedMs);
    const ages = `${age(Math.min(...used))} to ${age(Math.max(...used))} ago`;
    return [[group, String(inGroup.length), byteText(total(inGroup)), meaning, `used ${ages}`]];
  });
  const lines = [...aligned(rows), `${byteText(bytes)} in ${folder}`];
  environment.writeOut(`${lines.join("\n")}\n`);
}

function age(milliseconds: number): string {
  return durationText(Math.max(0, milliseconds));
}

async function prune(options: RawOptions, environment: Environment): Promise<void> {
  const { older, maxSize, all } = options;
  if (older === undefined && maxSize === undefined && all !== true) {
    const expected = "--older, --max-size or --all";
    throw badUsage("cache prune", { expected, got: "none of them" });
  }
  const { cacheEntries } = await import("../cache/cache-entries.js");
  const { entriesToPrune, removeEntries } = await import("../cache/prune-cache.js");
  const folder = cacheFolder(environment.env);
  const entries = await cacheEntries(folder);
  const limits = {
    ageMsMax: typeof older === "number" ? older : undefined,
    bytesMax: all === true ? -1 : typeof maxSize === "number" ? maxSize : undefined,
  };
  const removed = entriesToPrune(entries, environment.nowMs(), limits);
  if (options.dryRun !== true) await removeEntries(removed);
  const result = {
    ...{ folder, removed: removed.length, removedBytes: total(removed) },
    ...{ kept: entries.length - removed.length, keptBytes: total(entries) - total(removed) },
  };
  const gone = `${result.removed} entries, ${byteText(result.removedBytes)}`;
  const verb = options.dryRun === true ? "would remove" : "removed";
  const page = `${verb} ${gone}; ${byteText(result.keptBytes)} stay in ${folder}`;
  environment.writeOut(`${options.json === true ? JSON.stringify(result) : page}\n`);
}

function total(entries: readonly CacheEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0);
}
