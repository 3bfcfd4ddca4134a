import { basename, dirname, extname, join, resolve } from "node:path";
import { wholeNumber } from "@retake/coordinator/settings";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import { type Command, Option } from "commander";
import type { BatchCounts } from "../cluster/run-batch.js";
import type { Environment } from "../environment.js";
import { assertReadable } from "../errors/missing-file.js";
import { withClient } from "./cluster-commands.js";
import { addPromptOptions, addSourceOption } from "./edit-commands.js";
import { type RawOptions, textOption } from "./option-groups.js";
import { addSubmitOptions, editOfOptions } from "./submit-command.js";

const openSpec = wholeNumber({
  ...{ flags: "--open <count>", help: "edits that are sent and watched at once", fallback: 32 },
  ...{ min: 1, max: 1024 },
});
/** Between two lines that say how far it is. */
const lineIntervalMs = 5_000;

const examples = `
  retake batch edits.jsonl --steps 100 --out results

  {"id": "bear", "clip": "ski.mp4", "source": "a man skis", "prompt": "a bear skis"}
  {"clip": "car.mp4", "source": "a car", "prompts": ["a bus", "a red car"], "settings": {"seed": 7}}

Each line says what an option of retake submit says: id, clip, source, prompt or prompts,
negative, model, priority, layout, settings. Options are for the lines that say nothing else;
paths begin at the batch file's folder. results.jsonl has a line for each edit that succeeded,
errors.jsonl for each that did not. The same command again goes on where it ended, and begins
again what failed. Ctrl-C stops looking; the edits that were sent go on.`;

/** Adds `batch`. */
export function addBatchCommand(program: Command, environment: Environment): void {
  const command = program
    .command("batch")
    .description("send many edits to a cluster, and gather their results")
    .argument("<file>", "a line of JSON for each edit")
    .addHelpText("after", examples)
    .action((file: string, options: RawOptions) => runFile(file, options, environment));
  addSourceOption(command);
  addPromptOptions(command);
  const { flags, help, fallback, decode } = openSpec;
  const open = new Option(flags, `${help} (default: ${fallback})`);
  command
    .option("--out <folder>", "where results go (default: out/NAME)")
    .option("--no-download", "only say how the edits ended")
    .addOption(open.argParser((text) => decode(text, "--open")));
  addSubmitOptions(command);
}

async function runFile(file: string, options: RawOptions, environment: Environment): Promise<void> {
  const { batchLines } = await import("../cluster/batch-line.js");
  const { errorsName, resultsName, runBatch } = await import("../cluster/run-batch.js");
  const { makeFolders } = await import("../cache/make-folders.js");
  const { readFile } = await import("node:fs/promises");
  await assertReadable(file, { what: "a file with an edit a line" });
  const text = await readFile(file, "utf8").catch((thrown: unknown) => {
    throw fromUnknown(thrown, `reading ${file}`);
  });
  const path = resolve(file);
  const lines = batchLines(text, { defaults: editOfOptions(options), folder: dirname(path) });
  if (lines.length === 0) {
    const expected = "expected a line of JSON for each edit";
    const message = `${file}: ${expected}, got none; see retake batch --help`;
    throw new RetakeError(Code.InvalidArgument, "file-malformed", message);
  }
  const name = basename(path, extname(path));
  const folder = resolve(textOption(options, "out") ?? join("out", name));
  await makeFolders(folder).catch((thrown: unknown) => {
    throw fromUnknown(thrown, `making ${folder}`);
  });
  await withClient(environment, options, async (client) => {
    const counts = await runBatch(client, lines, {
      ...{ folder, openMax: Number(options.open ?? openSpec.fallback) },
      ...{ downloads: options.download !== false, signal: environment.signal },
      onCounts: tellCounts(environment, options.json === true),
    });
    const { total, succeeded, failed } = counts;
    const [results, errors] = [resultsName, errorsName].map((each) => join(folder, each));
    const result = { total, succeeded, failed, out: folder, results, errors };
    const page = `${succeeded} of ${total} succeeded\n${results}`;
    environment.writeOut(`${options.json === true ? JSON.stringify(result) : page}\n`);
    if (failed === 0) return;
    const message =
      `${file}: expected ${total} edits to succeed, ${failed} did not; ` +
      `${errors} says why, and the same command begins them again`;
    throw new RetakeError(Code.FailedPrecondition, "edit-state", message);
  });
}

function tellCounts(environment: Environment, isJson: boolean): (counts: BatchCounts) => void {
  let saidMs = Number.NEGATIVE_INFINITY;
  return (counts) => {
    const { total, succeeded, failed, underWay } = counts;
    const isLast = succeeded + failed === total;
    const nowMs = environment.nowMs();
    if (!isLast && nowMs - saidMs < lineIntervalMs) return;
    saidMs = nowMs;
    const line = `${succeeded} of ${total} done, ${failed} failed, ${underWay} under way`;
    const said = isJson ? JSON.stringify({ event: "batch", ...counts }) : line;
    environment.writeErr(`${said}\n`);
  };
}
