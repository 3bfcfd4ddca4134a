export { checkPrompts } from "./check-prompts.js";
export {
  type ChosenSettings,
  cardSettings,
  chosenSettings,
  decodeSettings,
} from "./chosen-settings.js";
export { clipSizeOf, clipStartOf } from "./clip-places.js";
export {
  badOption,
  badUsage,
  choice,
  realNumber,
  type SettingSpec,
  wholeNumber,
} from "./decode-setting.js";
export {
  clipSpecs,
  isSettingName,
  type PartialSettings,
  runSpecs,
  type SettingName,
  type Settings,
  samplingSpecs,
  settingNames,
  tuningSpecs,
} from "./setting-specs.js";
