import {
  badUsage,
  choice,
  isSettingName,
  type PartialSettings,
  type SettingName,
  type SettingSpec,
  settingNames,
  wholeNumber,
} from "@retake/coordinator/settings";
import { type Command, Option } from "commander";

/** What commander read: unknown until a decoder has seen it. */
export type RawOptions = Readonly<Record<string, unknown>>;

type SpecGroup = Readonly<Record<string, SettingSpec<string> | SettingSpec<number>>>;

/** Adds the settings of a group to a command; the paper's values are told, not set. */
export function addSettings(command: Command, specs: SpecGroup): void {
  for (const { flags, help, fallback, decode } of Object.values(specs)) {
    const label = flags.split(" ")[0] ?? flags;
    const told = fallback === undefined ? help : `${help} (default: ${fallback})`;
    command.addOption(new Option(flags, told).argParser((text) => decode(text, label)));
  }
}

/** The settings among what was given. */
export function givenSettings(options: RawOptions): PartialSettings {
  const given: Partial<Record<SettingName, unknown>> = {};
  for (const name of settingNames) {
    if (isSettingName(name) && options[name] !== undefined) given[name] = options[name];
  }
  const fits = ["letterbox", "stretch"].filter((name) => options[name] === true);
  if (fits.length > 1)
    throw badUsage("--letterbox", { expected: "one way to fit the picture", got: "two" });
  return { ...given, ...(fits[0] === undefined ? {} : { fit: fits[0] }) } as PartialSettings;
}

/** Options that say which model, and how it may be had. */
export function addModelOptions(command: Command): void {
  command
    .option("--model <path|id>", "folder of a checkpoint, or owner/name on the Hugging Face hub")
    .option("--revision <name>", "branch, tag or commit of a model on the hub")
    .option("--offline", "use what is in the cache, and ask nobody");
}

/** Options that every command takes. */
export function addOutputOptions(command: Command): void {
  command
    .option("--json", "result as JSON on stdout; progress and errors as JSON lines on stderr")
    .option("--quiet", "say nothing but errors");
}

export const snapshotEverySpec = wholeNumber({
  ...{ flags: "--snapshot-every <steps>", help: "steps between two snapshots", fallback: 50 },
  ...{ min: 1, max: 1_000_000 },
});

export const stopSpec = choice({
  flags: "--stop <when>",
  help: "auto: of none, 1/8, 1/4, 1/2 and all steps, keep those that give the clip back best",
  fallback: "steps",
  choices: ["steps", "auto"],
});

/** A text that was given, or nothing. */
export function textOption(options: RawOptions, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}
