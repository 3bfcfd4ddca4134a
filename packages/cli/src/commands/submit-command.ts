import { randomUUID } from "node:crypto";
import {
  checkPrompts,
  clipSpecs,
  runSpecs,
  samplingSpecs,
  tuningSpecs,
} from "@retake/coordinator/settings";
import { Code, RetakeError } from "@retake/errors";
import type { Command } from "commander";
import {
  type EditToSubmit,
  layoutNames,
  layoutOf,
  prioritySpec,
} from "../cluster/edit-to-submit.js";
import type { Environment } from "../environment.js";
import { ageOfText } from "../text/byte-text.js";
import { addClientOptions, tellEdit, withClient } from "./cluster-commands.js";
import { addPromptOptions, addSourceOption } from "./edit-commands.js";
import {
  addSettings,
  givenSettings,
  type RawOptions,
  snapshotEverySpec,
  stopSpec,
  textOption,
} from "./option-groups.js";

const examples = `
  retake submit clip.mp4 --source "a man skis" --prompt "a wizard skis" --wait
  ID=$(retake submit clip.mp4 --source "..." --prompt "..." --json | jq -r .id)
  retake watch $ID; retake download $ID --out result

An edit that was accepted is stored: it ends, whatever dies meanwhile. Which settings
it has, and what they are by default, is as with retake edit.`;

/** The nodes of a cluster tune together, and look at nothing in between. */
const clusterStopSpec: typeof stopSpec = {
  ...stopSpec,
  help: "steps, and no other: retake tune --stop auto finds a number for --steps",
  decode: (value, label) => {
    const stop = stopSpec.decode(value, label);
    if (stop === "steps") return stop;
    const message = `${label}: expected "steps" of a cluster, got "${stop}"`;
    const advice = "let retake tune --stop auto choose, and give what it chose as --steps";
    throw new RetakeError(Code.Unimplemented, "bad-option", `${message}; ${advice}`);
  },
};

/** Adds `submit`. */
export function addSubmitCommand(program: Command, environment: Environment): void {
  const command = program
    .command("submit")
    .description("send an edit to a cluster (retake up starts one on this machine)")
    .argument("<clip>", "a video file")
    .addHelpText("after", examples)
    .action((clip: string, options: RawOptions) => submit(clip, options, environment));
  addSourceOption(command);
  addPromptOptions(command);
  command
    .option("--wait", "follow the edit to its end")
    .option("--request-id <name>", "the same one again gives the same edit");
  addSubmitOptions(command);
}

/** Adds what an edit on a cluster takes beside its clip and sentences. */
export function addSubmitOptions(command: Command): void {
  command
    .option("--model <name>", "a model that the nodes serve, by name or hash; none: the only one")
    .option("--layout <name>", `how it is divided: ${layoutNames.join(", ")}`, "auto");
  const age = (label: string) => (text: string) => ageOfText(text, { label });
  command
    .option(
      "--start-within <age>",
      "else it expires: 30m, 12h (default: none)",
      age("--start-within"),
    )
    .option(
      "--finish-within <age>",
      "else it fails: 30m, 12h (default: none)",
      age("--finish-within"),
    );
  addClientOptions(command);
  addSettings(command, clipSpecs);
  command.option("--letterbox", "the same as --fit letterbox");
  command.option("--stretch", "the same as --fit stretch");
  const { seed, batch } = runSpecs;
  const priority = prioritySpec;
  addSettings(command, { ...tuningSpecs, ...samplingSpecs, seed, batch, priority });
  addSettings(command, { stop: clusterStopSpec, snapshotEvery: snapshotEverySpec });
}

/** What the command line says of an edit. */
export function editOfOptions(options: RawOptions): EditToSubmit {
  const prompts = Array.isArray(options.prompt) ? options.prompt.map(String) : [];
  return {
    ...{ source: textOption(options, "source") ?? "", prompts },
    negative: textOption(options, "negative") ?? "",
    model: textOption(options, "model") ?? "",
    priority: Number(options.priority ?? 0),
    layout: layoutOf(textOption(options, "layout") ?? "auto", "--layout"),
    settings: givenSettings(options),
    snapshotEverySteps: Number(options.snapshotEvery ?? 0),
    startWithinMs: Number(options.startWithin ?? 0),
    finishWithinMs: Number(options.finishWithin ?? 0),
  };
}

async function submit(clip: string, options: RawOptions, environment: Environment): Promise<void> {
  const edit = editOfOptions(options);
  const { prompts, negative } = edit;
  checkPrompts({ source: textOption(options, "source"), prompts, negative });
  const { uploadVideo } = await import("../cluster/upload-video.js");
  const { submitEdit } = await import("../cluster/submit-edit.js");
  await withClient(environment, options, async (client) => {
    const videoId = await uploadVideo(client, clip, environment.signal);
    const requestId = textOption(options, "requestId") ?? randomUUID();
    const sent = await submitEdit(client, edit, { requestId, videoId });
    await tellEdit(sent, { client, environment, options, watches: options.wait === true });
  });
}
