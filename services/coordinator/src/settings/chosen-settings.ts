import { Code, RetakeError } from "@retake/errors";
import {
  isSettingName,
  type PartialSettings,
  type SettingName,
  settingNames,
  settingSpecs,
} from "./setting-specs.js";

/** Settings whose value is known before the clip has been looked at: all but the size. */
export type ChosenSettings = Required<Omit<PartialSettingsDefined, "size">> & {
  readonly size: string | undefined;
};
type PartialSettingsDefined = {
  readonly [Name in SettingName]: Exclude<PartialSettings[Name], undefined>;
};

/**
 * The settings of a run: what the command line says, else the checkpoint's card, else the paper.
 *
 * @param machine  what only the machine knows
 */
export function chosenSettings(
  flags: PartialSettings,
  card: PartialSettings,
  machine: { readonly threads: number },
): ChosenSettings {
  const chosen: Partial<Record<SettingName, string | number | undefined>> = {};
  for (const name of settingNames) {
    chosen[name] = flags[name] ?? card[name] ?? settingSpecs[name].fallback;
  }
  return { ...chosen, threads: chosen.threads ?? machine.threads } as ChosenSettings;
}

/**
 * Reads settings from JSON: a card's `defaults`, or a manifest's `settings`.
 *
 * @param label  where they stand, for messages
 * @throws RetakeError  `file-malformed` for a name that is no setting's; `bad-option` for a value
 */
export function decodeSettings(value: unknown, label: string): PartialSettings {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed(`${label}: expected an object of settings, got ${JSON.stringify(value)}`);
  }
  const settings: Partial<Record<SettingName, string | number>> = {};
  for (const [name, given] of Object.entries(value)) {
    if (!isSettingName(name)) {
      const known = settingNames.join(", ");
      throw malformed(`${label}: expected settings (${known}), got ${JSON.stringify(name)}`);
    }
    settings[name] = settingSpecs[name].decode(given, `${label}: ${name}`);
  }
  return settings as PartialSettings;
}

/** What a checkpoint's card says suits it best; nothing where it has no card. */
export function cardSettings(
  card: Readonly<Record<string, unknown>> | undefined,
  label: string,
): PartialSettings {
  if (card?.defaults === undefined) return {};
  return decodeSettings(card.defaults, `${label}: defaults`);
}

function malformed(message: string): RetakeError {
  return new RetakeError(Code.InvalidArgument, "file-malformed", message);
}
