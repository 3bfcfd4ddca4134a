import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runSpecs } from "@retake/coordinator/settings";
import { Code, fromUnknown, RetakeError } from "@retake/errors";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import { jobOfOptions } from "./job-of-options.js";
import { addOutputOptions, addSettings, type RawOptions } from "./option-groups.js";

/** The checkpoint that comes along, with a clip beside it. */
const demoModelPath = fileURLToPath(new URL("../../../../models/demo", import.meta.url));

/** Adds `demo`: an edit that needs no choices. */
export function addDemoCommand(program: Command, environment: Environment): void {
  const command = program
    .command("demo")
    .description("edit the clip that comes along with the small model that comes along")
    .option("--out <folder>", "where the result goes", join("out", "demo"))
    .option("--no-cache", "use and keep nothing of other runs")
    .action(async (options: RawOptions) => {
      const { startSpareWorker } = await import("@retake/gpu-node/spare-worker");
      startSpareWorker();
      const { clip, source, prompts } = await readDemo();
      const edit = { ...options, model: demoModelPath, source, prompt: prompts };
      const job = jobOfOptions("edit", join(demoModelPath, clip), edit);
      const { runAndTell } = await import("./run-and-tell.js");
      const { json, quiet } = options;
      const how = { json: json === true, quiet: quiet === true };
      const result = await runAndTell(job, environment, how);
      if (json || quiet || result === undefined) return;
      environment.writeErr(`look at ${join(result.out, "side-by-side.mp4")}\n`);
    });
  addOutputOptions(command);
  addSettings(command, runSpecs);
}

interface Demo {
  /** Of the checkpoint's folder. */
  readonly clip: string;
  readonly source: string;
  readonly prompts: readonly string[];
}

/** What the model's card says its demo is. */
async function readDemo(): Promise<Demo> {
  const path = join(demoModelPath, "retake.json");
  try {
    const { demo }: { readonly demo?: Partial<Demo> } = JSON.parse(await readFile(path, "utf8"));
    const { clip, source, prompts } = demo ?? {};
    if (clip !== undefined && source !== undefined && prompts !== undefined) {
      return { clip, source, prompts };
    }
  } catch (thrown) {
    throw fromUnknown(thrown, `reading ${path}`);
  }
  const message = `${path}: expected a demo with clip, source and prompts; fetch Retake again`;
  throw new RetakeError(Code.InvalidArgument, "file-malformed", message);
}
