import { randomUUID } from "node:crypto";
import {
  badUsage,
  checkPrompts,
  clipSizeOf,
  clipSpecs,
  runSpecs,
  samplingSpecs,
  tuningSpecs,
  wholeNumber,
} from "@retake/coordinator/settings";
import type { EditSpec, Layout } from "@retake/wire/edit";
import type { Command } from "commander";
import type { Environment } from "../environment.js";
import { addClientOptions, tellEdit, withClient } from "./cluster-commands.js";
import { addPromptOptions, addSourceOption } from "./edit-commands.js";
import {
  addSettings,
  givenSettings,
  type RawOptions,
  snapshotEverySpec,
  textOption,
} from "./option-groups.js";

const priority = wholeNumber({
  ...{ flags: "--priority <number>", help: "larger goes first among yours, 0 to 9", fallback: 0 },
  ...{ min: 0, max: 9 },
});
const layoutNames = ["auto", "prompts", "branches", "frames"] as const;

const examples = `
  retake submit clip.mp4 --source "a man skis" --prompt "a wizard skis" --wait
  ID=$(retake submit clip.mp4 --source "..." --prompt "..." --json | jq -r .id)
  retake watch $ID; retake download $ID --out result

An edit that was accepted is stored: it ends, whatever dies meanwhile. Which settings
it has, and what they are by default, is as with retake edit.`;

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
    .option("--model <name>", "a model that the nodes serve, by name or hash; none: the only one")
    .option("--wait", "follow the edit to its end")
    .option("--request-id <name>", "the same one again gives the same edit")
    .option("--layout <name>", `how it is divided: ${layoutNames.join(", ")}`, "auto");
  addClientOptions(command);
  addSettings(command, clipSpecs);
  command.option("--letterbox", "the same as --fit letterbox");
  command.option("--stretch", "the same as --fit stretch");
  const { seed, batch } = runSpecs;
  addSettings(command, { ...tuningSpecs, ...samplingSpecs, seed, batch, priority });
  addSettings(command, { snapshotEvery: snapshotEverySpec });
}

async function submit(clip: string, options: RawOptions, environment: Environment): Promise<void> {
  const prompts = Array.isArray(options.prompt) ? options.prompt.map(String) : [];
  const source = textOption(options, "source");
  const negative = textOption(options, "negative") ?? "";
  checkPrompts({ source, prompts, negative });
  const layout = layoutOf(textOption(options, "layout"));
  const { size, engine: _, threads: __, ...given } = givenSettings(options);
  const settings = { ...given, ...(size === undefined ? {} : clipSizeOf(size)) };
  const { uploadVideo } = await import("../cluster/upload-video.js");
  const { callUnary } = await import("@retake/wire");
  const { Settings } = await import("@retake/wire/edit");
  await withClient(environment, options, async (client) => {
    const videoId = await uploadVideo(client, clip, environment.signal);
    const spec: EditSpec = {
      ...{ sourcePrompt: source ?? "", prompts, negativePrompt: negative, videoId },
      ...{ model: textOption(options, "model") ?? "", priority: Number(options.priority ?? 0) },
      ...{ startByUnixMs: 0, finishByUnixMs: 0, layout },
      settings: Settings.fromPartial(settings),
      snapshotEverySteps: Number(options.snapshotEvery ?? 0),
    };
    const request = { requestId: textOption(options, "requestId") ?? randomUUID(), spec };
    const { edits, call, patiently } = client;
    const { edit } = await patiently(() =>
      callUnary(edits.submit.bind(edits), request, { ...call("submitting"), timeoutMs: 60_000 }),
    );
    await tellEdit(edit, { client, environment, options, watches: options.wait === true });
  });
}

function layoutOf(name: string | undefined): Layout {
  const layouts: Readonly<Record<(typeof layoutNames)[number], Layout>> = {
    auto: "LAYOUT_UNSPECIFIED",
    prompts: "LAYOUT_PROMPTS",
    branches: "LAYOUT_BRANCHES",
    frames: "LAYOUT_FRAMES",
  };
  const found = layoutNames.find((known) => known === (name ?? "auto"));
  if (found !== undefined) return layouts[found];
  throw badUsage("--layout", { expected: `one of ${layoutNames.join(", ")}`, got: `${name}` });
}
